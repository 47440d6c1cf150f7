import { MaestroError } from '@maestro/protocol';
import { parseFields } from '../../stream/parseFields.ts';
import type { Extraction } from '../ast.ts';
import { type Entry, labelName } from '../entry.ts';
import { scanJson } from './jsonFields.ts';

/** Error of a line that is not a JSON object. */
const JSON_ERROR = 'JSONParserErr';

/** `| json`: every field becomes a label, those of nested objects with the keys of the path joined by `_`; arrays and nulls do not. */
export function parseJson(entry: Entry): void {
  const error = scanJson(entry.text, (path, { type, text }) => {
    if (type === 'array' || type === 'null') return;
    const name = path.length === 1 ? labelOf(path[0]!) : labelOf(path.filter((key) => key.trim() !== '').join('_'));
    if (name !== '') entry.found(name, text);
  });
  if (error !== undefined) entry.fail(JSON_ERROR, error);
}

/** Cache of label names by key; lines have the same keys again and again. */
const names = new Map<string, string>();
const MOST_NAMES = 10_000;
const LONGEST_NAME = 100;

function labelOf(key: string): string {
  let name = names.get(key);
  if (name === undefined) {
    if (names.size >= MOST_NAMES) names.clear();
    name = labelName(key);
    if (key.length <= LONGEST_NAME) names.set(key, name);
  }
  return name;
}

const STEP = /(?:^|\.)([A-Za-z_][A-Za-z0-9_-]*)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]/y;

/** `| json name="a.b[0]"`: labels from given paths. A missing one is empty. */
export function compileJsonExtractions(extractions: readonly Extraction[]): (entry: Entry) => void {
  const places = extractions.map(({ name, expression }) => ({ name, steps: parsePath(expression) }));
  return (entry) => {
    if (entry.text === '') return;
    const fields = parseFields(entry.text);
    if (fields === undefined) entry.fail(JSON_ERROR, 'the line is not a JSON object');
    else for (const { name, steps } of places) entry.found(name, textOf(steps.reduce<unknown>(step, fields)));
  };
}

function parsePath(expression: string): (string | number)[] {
  const steps: (string | number)[] = [];
  STEP.lastIndex = 0;
  while (STEP.lastIndex < expression.length) {
    const match = STEP.exec(expression);
    if (match === null) break;
    steps.push(match[3] === undefined ? (match[1] ?? (JSON.parse(`"${match[2]}"`) as string)) : Number(match[3]));
    if (STEP.lastIndex === expression.length) return steps;
  }
  throw new MaestroError('invalid-argument', `cannot parse expression [${expression}]: a path such as a.b[0]["c d"] is expected`);
}

function step(value: unknown, key: string | number): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return Array.isArray(value) === (typeof key === 'number') ? (value as Readonly<Record<string | number, unknown>>)[key] : undefined;
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
