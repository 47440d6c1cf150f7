import { compilePattern } from '../stream/linePattern.ts';
import type { FilterValue, LabelFilter, Matcher } from './ast.ts';
import { parseGoDuration } from './duration.ts';
import type { Entry } from './entry.ts';
import { parseBytes, parseGoFloat } from './quantity.ts';

/** Compiles `op "value"` to a test of a value; a missing one counts as empty. */
export function compileValueTest({ op, value }: Pick<Matcher, 'op' | 'value'>): (found: string) => boolean {
  const pattern = op === '=~' || op === '!~' ? compilePattern(value) : undefined;
  const isNegated = op === '!=' || op === '!~';
  return (found) => (pattern === undefined ? found === value : pattern.isAll(found)) !== isNegated;
}

/** Compiles a label filter. A value that should be a number but is not lets the line pass, with a label that describes the error. */
export function compileFilter(filter: LabelFilter): (entry: Entry) => boolean {
  if (filter.kind !== 'compare') {
    const [left, right] = [compileFilter(filter.left), compileFilter(filter.right)];
    if (filter.kind === 'or') return (entry) => left(entry) || right(entry);
    return (entry) => {
      // Evaluates both, as Loki does: the second may record an error.
      const [first, second] = [left(entry), right(entry)];
      return first && second;
    };
  }
  const { name, op, value } = filter;
  if (value.type === 'string') {
    const test = compileValueTest({ op: op as Matcher['op'], value: value.value });
    return (entry) => test(entry.get(name));
  }
  const { type, value: wanted } = value;
  return (entry) => {
    if (!entry.has(name)) return false;
    const found = QUANTITIES[type](entry.get(name));
    if (found !== undefined) return compare(op, found, wanted);
    entry.fail('LabelFilterErr', `${JSON.stringify(entry.get(name).slice(0, 100))} is no ${type}`, true);
    return true;
  };
}

const QUANTITIES: Readonly<Record<Exclude<FilterValue['type'], 'string'>, (text: string) => number | undefined>> = {
  number: parseGoFloat,
  duration: parseGoDuration,
  bytes: parseBytes,
};

function compare(op: Extract<LabelFilter, { kind: 'compare' }>['op'], a: number, b: number): boolean {
  switch (op) {
    case '!=':
      return a !== b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    default:
      return a === b;
  }
}
