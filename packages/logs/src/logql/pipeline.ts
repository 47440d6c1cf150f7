import type { LogLabels } from '../labels.ts';
import { compilePattern } from '../linePattern.ts';
import { type LogLine, parseFields, shownText } from '../logLine.ts';
import type { FilterValue, LabelFilter, LogQuery, Matcher, Stage } from './ast.ts';
import { parseDuration } from './duration.ts';

/** Labels of a line as a query sees them: those of its stream, and those that `| json` found. */
export type QueryLabels = Record<string, string>;

/** Whether labels match all of a selector's matchers; a label that is missing is an empty one. */
export function compileMatchers(matchers: readonly Matcher[]): (labels: LogLabels) => boolean {
  const tests = matchers.map(({ name, op, value }) => {
    const pattern = op === '=~' || op === '!~' ? compilePattern(value) : undefined;
    const isNegated = op === '!=' || op === '!~';
    return (labels: Readonly<Record<string, string | undefined>>): boolean => {
      const found = labels[name] ?? '';
      return (pattern === undefined ? found === value : pattern.isAll(found)) !== isNegated;
    };
  });
  return (labels) => tests.every((test) => test(labels));
}

/** What a pipeline makes of a line: its labels, or `undefined` when it does not pass. */
export type Pipeline = (line: LogLine) => QueryLabels | undefined;

/** Compiles the stages of a query. */
export function compilePipeline({ stages }: LogQuery): Pipeline {
  const steps = stages.map(compileStage);
  return (line) => {
    const text = shownText(line.text);
    const labels: QueryLabels = { ...line.labels } as QueryLabels;
    return steps.every((step) => step(text, labels)) ? labels : undefined;
  };
}

/** Says whether a line passes, and may change its labels. */
type Step = (text: string, labels: QueryLabels) => boolean;

function compileStage(stage: Stage): Step {
  switch (stage.kind) {
    case 'line': {
      const isNegated = stage.op.startsWith('!');
      const isPattern = stage.op.endsWith('~');
      const tests = stage.values.map((value) => {
        if (!isPattern) return (text: string) => text.includes(value);
        return compilePattern(value).isIn;
      });
      return (text) => tests.some((test) => test(text)) !== isNegated;
    }
    case 'json':
      return (text, labels) => {
        const fields = parseFields(text);
        if (fields === undefined) labels['__error__'] = 'JSONParserErr';
        else extract(fields, '', labels, { ...labels }, 0);
        return true;
      };
    case 'drop':
      return (_, labels) => {
        for (const name of stage.names) delete labels[name];
        return true;
      };
    case 'filter': {
      const test = compileFilter(stage.filter);
      return (_, labels) => test(labels);
    }
  }
}

/** Deepest object that `| json` goes into. */
const MAX_DEPTH = 8;

/** Adds fields as labels: nested ones joined with `_`, those of a name that the stream has as `<name>_extracted` where they differ. */
function extract(fields: Readonly<Record<string, unknown>>, prefix: string, labels: QueryLabels, stream: QueryLabels, depth: number): void {
  for (const [key, value] of Object.entries(fields)) {
    const name = `${prefix}${key.replace(/[^A-Za-z0-9_]/g, '_')}`.replace(/^(?=\d)/, '_');
    if (typeof value === 'object') {
      if (value !== null && !Array.isArray(value) && depth < MAX_DEPTH)
        extract(value as Record<string, unknown>, `${name}_`, labels, stream, depth + 1);
      continue;
    }
    const text = String(value);
    if (stream[name] === undefined) labels[name] = text;
    else if (stream[name] !== text) labels[`${name}_extracted`] = text;
  }
}

function compileFilter(filter: LabelFilter): (labels: Readonly<QueryLabels>) => boolean {
  if (filter.kind !== 'compare') {
    const [left, right] = [compileFilter(filter.left), compileFilter(filter.right)];
    return filter.kind === 'and' ? (labels) => left(labels) && right(labels) : (labels) => left(labels) || right(labels);
  }
  const { name, op, value } = filter;
  if (value.type === 'string') {
    const pattern = op === '=~' || op === '!~' ? compilePattern(value.value) : undefined;
    const isNegated = op === '!=' || op === '!~';
    return (labels) => {
      const found = labels[name] ?? '';
      return (pattern === undefined ? found === value.value : pattern.isAll(found)) !== isNegated;
    };
  }
  const compare = COMPARISONS[op]!;
  return (labels) => {
    const found = labels[name] === undefined ? Number.NaN : readQuantity(labels[name], value.type);
    return !Number.isNaN(found) && compare(found, value.value);
  };
}

const COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '=': (a, b) => a === b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
};

function readQuantity(text: string, type: Exclude<FilterValue['type'], 'string'>): number {
  if (type === 'duration') return parseDuration(text) ?? Number.NaN;
  return text.trim() === '' ? Number.NaN : Number(text);
}
