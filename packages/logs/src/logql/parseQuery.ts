import type { LogQuery, Matcher, Query } from './ast.ts';
import { parseMatchers } from './parseMatchers.ts';
import { parseMetric } from './parseMetric.ts';
import { parsePipeline } from './parsePipeline.ts';
import { openTokens, type Tokens } from './tokens.ts';

/**
 * Parses a query.
 * @throws MaestroError `invalid-argument` with line and column; for LogQL that is not supported, with its name and the alternatives.
 */
export function parseQuery(query: string): Query {
  const tokens = openTokens(query);
  const parsed = tokens.isNext('{') ? parseLogQuery(tokens) : parseMetric(tokens);
  tokens.expectEnd();
  return parsed;
}

/** Parses a bare `{...}`, as in `match[]` of the series API. */
export function parseSelector(query: string): readonly Matcher[] {
  const tokens = openTokens(query);
  const matchers = parseMatchers(tokens);
  tokens.expectEnd();
  return matchers;
}

function parseLogQuery(tokens: Tokens): LogQuery {
  const matchers = parseMatchers(tokens);
  const { stages, unwrap } = parsePipeline(tokens);
  if (unwrap !== undefined)
    throw tokens.error('| unwrap stands only in a function over a range, such as sum_over_time({...} | unwrap x [5m])');
  if (tokens.isNext('[')) throw tokens.error('a range such as [5m] stands only in a function, such as rate({...}[5m])');
  return { kind: 'log', matchers, stages };
}
