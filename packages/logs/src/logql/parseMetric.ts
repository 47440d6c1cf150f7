import {
  AGGREGATIONS,
  type Aggregation,
  type BinaryOperator,
  type BinaryQuery,
  type Grouping,
  type MetricQuery,
  RANGE_FUNCTIONS,
  type RangeFunction,
} from './ast.ts';
import { calculate, isComparison, isSetOperator } from './calculate.ts';
import { parseMatchers } from './parseMatchers.ts';
import { parsePipeline } from './parsePipeline.ts';
import type { Tokens } from './tokens.ts';

/** Maximum nesting of brackets and aggregations, and maximum operators in total. */
const MAX_DEPTH = 20;
const MAX_OPERATORS = 50;

/** Operators by precedence, the lowest first. */
const LEVELS: readonly (readonly BinaryOperator[])[] = [
  ['or'],
  ['and', 'unless'],
  ['==', '!=', '>=', '<=', '>', '<'],
  ['+', '-'],
  ['*', '/', '%'],
  ['^'],
];

/** Current nesting depth, and the number of operators so far. */
interface Nesting {
  readonly depth: number;
  readonly count: { operators: number };
}

/** Parses a query that returns numbers. */
export function parseMetric(tokens: Tokens): MetricQuery {
  return parseLevel(tokens, 0, { depth: 0, count: { operators: 0 } });
}

function parseLevel(tokens: Tokens, level: number, nesting: Nesting): MetricQuery {
  const operators = LEVELS[level];
  if (operators === undefined) return parseFactor(tokens, nesting);
  let left = parseLevel(tokens, level + 1, nesting);
  for (;;) {
    const op = operators.find((each) => (/[a-z]/.test(each) ? tokens.takeName([each]) !== undefined : tokens.take(each)));
    if (op === undefined) return left;
    if (++nesting.count.operators > MAX_OPERATORS) throw tokens.error(`more than ${MAX_OPERATORS} operators`);
    const modifiers = parseModifiers(tokens, op);
    // Only `^` is right-associative: 2 ^ 3 ^ 2 is 2 ^ 9.
    const right = parseLevel(tokens, op === '^' ? level : level + 1, nesting);
    left = binary(tokens, { kind: 'binary', op, ...modifiers, left, right });
  }
}

/** Parses `bool`, `on (...)` and `ignoring (...)` after an operator. */
function parseModifiers(tokens: Tokens, op: BinaryOperator): Pick<BinaryQuery, 'isBool' | 'matching'> {
  const isBool = tokens.takeName(['bool']) !== undefined;
  if (isBool && !isComparison(op)) throw tokens.unsupported(`bool behind ${op} is not supported`, 'it belongs to comparisons', true);
  const word = tokens.takeName(['on', 'ignoring']);
  if (word === undefined) return { isBool, matching: undefined };
  const names = parseNames(tokens);
  const group = tokens.takeName(['group_left', 'group_right']);
  if (group !== undefined) throw tokens.unsupported(`${group} is not supported`, undefined, true);
  return { isBool, matching: { isOn: word === 'on', names } };
}

/** Folds two numbers into one; set operators require series. */
function binary(tokens: Tokens, query: BinaryQuery): MetricQuery {
  const { op, left, right } = query;
  if (isSetOperator(op)) {
    const literal = left.kind === 'number' ? 'left' : right.kind === 'number' ? 'right' : undefined;
    if (literal !== undefined) throw tokens.error(`unexpected literal for ${literal} leg of logical/set binary operation (${op})`);
  } else if (left.kind === 'number' && right.kind === 'number') {
    return { kind: 'number', value: Number(calculate(op, left.value, right.value)) };
  }
  return query;
}

function parseFactor(tokens: Tokens, nesting: Nesting): MetricQuery {
  const { depth, count } = nesting;
  if (depth > MAX_DEPTH) throw tokens.error(`nested more than ${MAX_DEPTH} deep`);
  const inner: Nesting = { depth: depth + 1, count };
  if (tokens.take('(')) {
    const within = parseLevel(tokens, 0, inner);
    tokens.expect(')');
    return within;
  }
  const number = tokens.takeNumber();
  if (number !== undefined) return { kind: 'number', value: number };
  const { position } = tokens;
  const name = tokens.expectName('a query such as {job="..."}, or a function').toLowerCase();
  if (name === 'vector') return parseVector(tokens);
  if (name === 'label_replace') return parseLabelReplace(tokens, inner, position);
  const aggregation = AGGREGATIONS.find((each) => each === name);
  if (aggregation !== undefined) return parseAggregate(tokens, aggregation, inner);
  if (Object.hasOwn(RANGE_FUNCTIONS, name)) return parseRange(tokens, name as RangeFunction);
  throw tokens.unsupported(`${name} is not supported`, undefined, true);
}

function parseVector(tokens: Tokens): MetricQuery {
  tokens.expect('(');
  const value = tokens.expectNumber();
  tokens.expect(')');
  return { kind: 'vector', value };
}

function parseLabelReplace(tokens: Tokens, nesting: Nesting, position: number): MetricQuery {
  tokens.expect('(');
  const of = parseLevel(tokens, 0, nesting);
  const [target, replacement, source, pattern] = Array.from({ length: 4 }, () => {
    tokens.expect(',');
    return tokens.expectString().value;
  });
  tokens.expect(')');
  return { kind: 'label_replace', of, target: target!, replacement: replacement!, source: source!, pattern: pattern!, position };
}

function parseAggregate(tokens: Tokens, name: Aggregation, nesting: Nesting): MetricQuery {
  const before = parseGrouping(tokens);
  tokens.expect('(');
  const takesParameter = name === 'topk' || name === 'bottomk';
  const parameter = takesParameter ? parseParameter(tokens, name) : undefined;
  if (takesParameter && !Number.isSafeInteger(parameter)) throw tokens.error(`invalid parameter ${name}(${parameter},`);
  if (takesParameter && parameter! <= 0) throw tokens.error(`invalid parameter (must be greater than 0) ${name}(${parameter}`);
  const of = parseLevel(tokens, 0, nesting);
  if (!takesParameter && of.kind === 'number' && tokens.isNext(','))
    throw tokens.error(`unsupported parameter for operation ${name}(${of.value},`);
  tokens.expect(')');
  const grouping = before ?? parseGrouping(tokens);
  if (grouping !== undefined && name.startsWith('sort')) throw tokens.error("sort and sort_desc doesn't allow grouping by");
  return { kind: 'aggregate', function: name, parameter, grouping, of };
}

/** Parses the number that comes first in the brackets of `name`. */
function parseParameter(tokens: Tokens, name: string): number {
  const parameter = tokens.takeNumber();
  if (parameter === undefined) throw tokens.error(`parameter required for operation ${name}`);
  tokens.expect(',');
  return parameter;
}

function parseGrouping(tokens: Tokens): Grouping | undefined {
  const word = tokens.takeName(['by', 'without']);
  return word === undefined ? undefined : { isWithout: word === 'without', names: parseNames(tokens) };
}

function parseNames(tokens: Tokens): string[] {
  tokens.expect('(');
  const names: string[] = [];
  while (!tokens.isNext(')')) {
    names.push(tokens.expectName('a label name or )'));
    if (!tokens.take(',')) break;
  }
  tokens.expect(')');
  return names;
}

/** Parses `rate({...} | ... [5m])`; the range may also precede the pipeline, as Loki allows. */
function parseRange(tokens: Tokens, name: RangeFunction): MetricQuery {
  tokens.expect('(');
  const isQuantile = name === 'quantile_over_time';
  const parameter = isQuantile ? parseParameter(tokens, name) : tokens.takeNumber();
  if (parameter !== undefined && !isQuantile) throw tokens.error(`parameter ${parameter} not supported for operation ${name}`);
  const hasBrackets = tokens.take('(');
  const matchers = parseMatchers(tokens);
  let range = tokens.isNext('[') ? parseBrackets(tokens) : undefined;
  let offsetMs = range === undefined ? undefined : parseOffset(tokens);
  const { stages, unwrap } = parsePipeline(tokens);
  // The query may have brackets of its own, with the range inside or after them.
  const isClosed = hasBrackets && range === undefined && tokens.take(')');
  range ??= parseBrackets(tokens);
  offsetMs ??= parseOffset(tokens);
  if (hasBrackets && !isClosed) tokens.expect(')');
  tokens.expect(')');
  const takes = RANGE_FUNCTIONS[name];
  if (unwrap !== undefined && takes === 'lines') throw tokens.error(`invalid aggregation ${name} with unwrap`);
  if (unwrap === undefined && takes === 'numbers') throw tokens.error(`invalid aggregation ${name} without unwrap`);
  const grouping = parseGrouping(tokens);
  if (grouping !== undefined && (takes !== 'numbers' || name === 'sum_over_time'))
    throw tokens.error(`grouping not allowed for ${name} aggregation`);
  const query = { kind: 'log', matchers, stages } as const;
  return { kind: 'range', function: name, parameter, query, unwrap, range, offsetMs: offsetMs ?? 0, grouping };
}

function parseOffset(tokens: Tokens): number | undefined {
  return tokens.takeName(['offset']) === undefined ? undefined : tokens.expectDuration();
}

function parseBrackets(tokens: Tokens): number | 'auto' {
  tokens.expect('[');
  const isAuto = tokens.takeName(['$__auto', '$__interval', '$__range']) !== undefined;
  const range = isAuto ? 'auto' : tokens.expectDuration();
  if (range !== 'auto' && range <= 0) throw tokens.error('the range must be longer than 0');
  tokens.expect(']');
  return range;
}
