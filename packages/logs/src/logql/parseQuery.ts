import { AGGREGATIONS, type Grouping, type LogQuery, type Matcher, type MetricQuery, type Query, RANGE_FUNCTIONS } from './ast.ts';
import { parsePipeline } from './parsePipeline.ts';
import { SUPPORTED } from './queryError.ts';
import { openTokens, type Tokens } from './tokens.ts';

/** Deepest nesting of brackets and aggregations that is taken. */
const MAX_DEPTH = 20;

/**
 * Parses a query of the subset of LogQL that {@link SUPPORTED} lists.
 * @throws MaestroError `invalid-argument` with line and column, and for what is LogQL but not supported, with what is.
 */
export function parseQuery(query: string): Query {
  const tokens = openTokens(query);
  const parsed = tokens.isNext('{') ? parseLogQuery(tokens) : parseSum(tokens, 0);
  tokens.expectEnd();
  return parsed;
}

/** Parses `{...}` alone, as `match[]` of the series API has it. */
export function parseSelector(query: string): readonly Matcher[] {
  const tokens = openTokens(query);
  const matchers = parseMatchers(tokens);
  tokens.expectEnd();
  return matchers;
}

function parseLogQuery(tokens: Tokens): LogQuery {
  return { kind: 'log', matchers: parseMatchers(tokens), stages: parsePipeline(tokens) };
}

function parseMatchers(tokens: Tokens): Matcher[] {
  tokens.expect('{');
  const matchers: Matcher[] = [];
  while (!tokens.isNext('}')) {
    const name = tokens.expectName('a label name or }');
    const op = tokens.expectOneOf(['=', '!=', '=~', '!~'] as const);
    const { value, position } = tokens.expectString();
    matchers.push({ name, op, value, position });
    if (!tokens.take(',')) break;
  }
  tokens.expect('}');
  return matchers;
}

function parseSum(tokens: Tokens, depth: number): MetricQuery {
  let left = parseProduct(tokens, depth);
  for (let op = tokens.takeOneOf(['+', '-'] as const); op !== undefined; op = tokens.takeOneOf(['+', '-'] as const)) {
    left = arithmetic(tokens, op, left, parseProduct(tokens, depth));
  }
  return left;
}

function parseProduct(tokens: Tokens, depth: number): MetricQuery {
  let left = parseFactor(tokens, depth);
  for (let op = tokens.takeOneOf(['*', '/'] as const); op !== undefined; op = tokens.takeOneOf(['*', '/'] as const)) {
    left = arithmetic(tokens, op, left, parseFactor(tokens, depth));
  }
  return left;
}

/** Series are not joined with each other: one side at least has to be a plain number. */
function arithmetic(tokens: Tokens, op: '+' | '-' | '*' | '/', left: MetricQuery, right: MetricQuery): MetricQuery {
  if (hasSeries(left) && hasSeries(right)) throw tokens.unsupported(`${op} between two sets of series is not supported`);
  return { kind: 'arithmetic', op, left, right };
}

function hasSeries(query: MetricQuery): boolean {
  if (query.kind === 'arithmetic') return hasSeries(query.left) || hasSeries(query.right);
  return query.kind === 'range' || query.kind === 'aggregate';
}

function parseFactor(tokens: Tokens, depth: number): MetricQuery {
  if (depth > MAX_DEPTH) throw tokens.error(`nested more than ${MAX_DEPTH} deep`);
  if (tokens.take('(')) {
    const inner = parseSum(tokens, depth + 1);
    tokens.expect(')');
    return inner;
  }
  const number = tokens.takeNumber();
  if (number !== undefined) return { kind: 'number', value: number };
  const name = tokens.expectName('a query such as {job="..."}, or a function');
  if (name === 'vector') {
    tokens.expect('(');
    const value = tokens.expectNumber();
    tokens.expect(')');
    return { kind: 'vector', value };
  }
  const aggregation = AGGREGATIONS.find((each) => each === name);
  if (aggregation !== undefined) return parseAggregate(tokens, aggregation, depth);
  const rangeFunction = RANGE_FUNCTIONS.find((each) => each === name);
  if (rangeFunction !== undefined) return parseRange(tokens, rangeFunction);
  throw tokens.unsupported(`${name} is not supported`, SUPPORTED, true);
}

function parseAggregate(tokens: Tokens, name: (typeof AGGREGATIONS)[number], depth: number): MetricQuery {
  const before = parseGrouping(tokens);
  tokens.expect('(');
  const of = parseSum(tokens, depth + 1);
  tokens.expect(')');
  return { kind: 'aggregate', function: name, grouping: before ?? parseGrouping(tokens), of };
}

function parseGrouping(tokens: Tokens): Grouping | undefined {
  const word = tokens.takeName(['by', 'without']);
  if (word === undefined) return undefined;
  tokens.expect('(');
  const names: string[] = [];
  while (!tokens.isNext(')')) {
    names.push(tokens.expectName('a label name or )'));
    if (!tokens.take(',')) break;
  }
  tokens.expect(')');
  return { isWithout: word === 'without', names };
}

/** `rate({...} | ... [5m])`; the range may also stand before the pipeline, as Loki allows. */
function parseRange(tokens: Tokens, name: (typeof RANGE_FUNCTIONS)[number]): MetricQuery {
  tokens.expect('(');
  const matchers = parseMatchers(tokens);
  let range = tokens.isNext('[') ? parseBrackets(tokens) : undefined;
  const stages = parsePipeline(tokens);
  range ??= parseBrackets(tokens);
  const offsetMs = tokens.takeName(['offset']) === undefined ? 0 : tokens.expectDuration();
  tokens.expect(')');
  return { kind: 'range', function: name, query: { kind: 'log', matchers, stages }, range, offsetMs };
}

function parseBrackets(tokens: Tokens): number | 'auto' {
  tokens.expect('[');
  const isAuto = tokens.takeName(['$__auto', '$__interval', '$__range']) !== undefined;
  const range = isAuto ? 'auto' : tokens.expectDuration();
  if (range === 0) throw tokens.error('the range must be longer than 0');
  tokens.expect(']');
  return range;
}
