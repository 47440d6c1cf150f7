import { MaestroError } from '@maestro/protocol';
import type { LogArchive } from '../archive/logArchive.ts';
import { createTurns } from '../archive/scan.ts';
import { labelsKey } from '../stream/labels.ts';
import { compileRe2 } from '../stream/linePattern.ts';
import { aggregate } from './aggregate.ts';
import type { AggregateQuery, Aggregation, LabelReplaceQuery, MetricQuery, RangeFunction, RangeQuery } from './ast.ts';
import { combineSeries, combineWithNumber } from './combineSeries.ts';
import { evaluateRange, type RangeContext } from './evaluateRange.ts';
import { groupSeries, openBudget, type QueryBudget, requireFewSeries, type Series } from './series.ts';
import { expand, matchAll } from './template/regex.ts';

/** Evaluation times of a metric query: `startMs`, then every `stepMs`, up to and including `endMs`. */
export interface Steps {
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
}

/** Maximum points of a series, as in Loki. */
const MOST_STEPS = 11_000;

/**
 * Aggregations computed while lines are read, and the functions they apply to: after `| json` nearly every line is a stream of its own, and
 * the result is the same. Loki does so for sums.
 */
const DONE_EARLY: Readonly<Partial<Record<Aggregation, readonly RangeFunction[]>>> = {
  sum: ['count_over_time', 'rate', 'bytes_over_time', 'bytes_rate', 'sum_over_time'],
  max: ['max_over_time'],
  min: ['min_over_time'],
};

/**
 * Evaluates a query that returns numbers. Series are sorted by their labels, or by their values when the query sorts.
 * @throws MaestroError `invalid-argument` for more points or series than allowed, and for lines on which a stage failed.
 */
export async function evaluateMetric(
  archive: LogArchive,
  query: MetricQuery,
  { startMs, endMs, stepMs }: Steps,
  { autoMs = stepMs, signal }: { readonly autoMs?: number; readonly signal?: AbortSignal } = {},
): Promise<Series[]> {
  const length = Math.max(0, Math.floor((endMs - startMs) / stepMs) + 1);
  if (length > MOST_STEPS) {
    throw new MaestroError(
      'invalid-argument',
      `${length} points per series requested, at most ${MOST_STEPS} are returned; use a longer step`,
    );
  }
  const budget = openBudget(createTurns(signal));
  const context: RangeContext = { archive, times: { startMs, stepMs, length }, autoMs, budget };
  const series = (await evaluate(query, context)).filter(({ isThere }) => isThere.includes(1));
  requireFewSeries(series.length);
  if (isSorted(query)) return series;
  const keys = new Map(series.map((each) => [each, labelsKey(each.labels)]));
  return series.sort((a, b) => (keys.get(a)! < keys.get(b)! ? -1 : 1));
}

function isSorted(query: MetricQuery): boolean {
  return query.kind === 'aggregate' && (query.function === 'sort' || query.function === 'sort_desc' || isSorted(query.of));
}

async function evaluate(query: MetricQuery, context: RangeContext): Promise<Series[]> {
  const { budget, times } = context;
  switch (query.kind) {
    case 'number':
    case 'vector':
      return [constant(query.value, times.length, budget)];
    case 'range':
      return evaluateRange(query, context);
    case 'aggregate':
      if (isDoneEarly(query)) return evaluateRange(query.of, context, { grouping: query.grouping });
      return aggregate(await evaluate(query.of, context), query, times.length, budget);
    case 'label_replace':
      return replaceLabels(query, await evaluate(query.of, context));
    case 'binary': {
      const { left, right } = query;
      if (left.kind === 'number') return combineWithNumber(query, await evaluate(right, context), left.value, true, budget);
      if (right.kind === 'number') return combineWithNumber(query, await evaluate(left, context), right.value, false, budget);
      const leftSeries = await evaluate(left, context);
      return combineSeries(query, leftSeries, await evaluate(right, context), times.length, budget);
    }
  }
}

function isDoneEarly(query: AggregateQuery): query is AggregateQuery & { readonly of: RangeQuery } {
  const { function: name, of } = query;
  return of.kind === 'range' && of.grouping === undefined && (DONE_EARLY[name]?.includes(of.function) ?? false);
}

function constant(value: number, length: number, budget: QueryBudget): Series {
  const series = budget.series(new Map(), length);
  series.values.fill(value);
  series.isThere.fill(1);
  return series;
}

function replaceLabels({ target, replacement, source, pattern }: LabelReplaceQuery, series: readonly Series[]): Series[] {
  compileRe2(pattern);
  const replaced = series.map((each) => {
    const match = matchAll(pattern, each.labels.get(source) ?? '');
    if (match === undefined) return each;
    const labels = new Map(each.labels);
    const value = expand(replacement, match);
    if (value === '') labels.delete(target);
    else labels.set(target, value);
    return { ...each, labels };
  });
  const equal = groupSeries(replaced, (labels) => labels).find(({ members }) => members.length > 1);
  if (equal === undefined) return replaced;
  throw new MaestroError(
    'invalid-argument',
    `label_replace: several series become {${[...equal.labels].map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(', ')}}`,
  );
}
