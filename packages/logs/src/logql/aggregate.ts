import type { AggregateQuery, Aggregation } from './ast.ts';
import { groupLabels, groupSeries, type QueryBudget, type Series } from './series.ts';

/** Aggregates series step by step. */
export async function aggregate(series: readonly Series[], query: AggregateQuery, length: number, budget: QueryBudget): Promise<Series[]> {
  const { function: name, grouping, parameter } = query;
  if (name === 'sort' || name === 'sort_desc') return sorted(series, name === 'sort' ? 1 : -1);
  budget.looks(series.length * length);
  const groups = groupSeries(series, (labels) => groupLabels(labels, grouping));
  const results: Series[] = [];
  for (const { labels, members } of groups) {
    if (name === 'topk' || name === 'bottomk') {
      results.push(...(await extremes(members, parameter!, name === 'topk' ? -1 : 1, length, budget)));
      continue;
    }
    const result = budget.series(labels, length);
    for (let i = 0; i < length; i++) {
      if (budget.turns.isOver()) await budget.turns();
      const values = members.filter(({ isThere }) => isThere[i] === 1).map((member) => member.values[i]!);
      if (values.length === 0) continue;
      result.isThere[i] = 1;
      result.values[i] = combine(name, values);
    }
    results.push(result);
  }
  return results;
}

/** Sorts by the only value: an answer over time has no order. */
function sorted(series: readonly Series[], sign: 1 | -1): Series[] {
  return [...series].sort((a, b) => sign * (a.values[0]! - b.values[0]!));
}

/** Keeps the `count` smallest (or, with -1, largest) series of each step; the others have no point there. */
async function extremes(members: readonly Series[], count: number, sign: 1 | -1, length: number, budget: QueryBudget): Promise<Series[]> {
  const results = members.map(({ labels }) => budget.series(labels, length));
  for (let i = 0; i < length; i++) {
    if (budget.turns.isOver()) await budget.turns();
    const there = members.flatMap(({ isThere, values }, at) => (isThere[i] === 1 ? [{ at, value: values[i]! }] : []));
    there.sort((a, b) =>
      Number.isNaN(a.value) || Number.isNaN(b.value)
        ? Number(Number.isNaN(a.value)) - Number(Number.isNaN(b.value))
        : sign * (a.value - b.value),
    );
    for (const { at, value } of there.slice(0, count)) {
      results[at]!.isThere[i] = 1;
      results[at]!.values[i] = value;
    }
  }
  return results.filter(({ isThere }) => isThere.includes(1));
}

function combine(name: Exclude<Aggregation, 'topk' | 'bottomk' | 'sort' | 'sort_desc'>, values: readonly number[]): number {
  switch (name) {
    case 'sum':
      return values.reduce((a, b) => a + b);
    case 'count':
      return values.length;
    case 'min':
      return values.reduce((a, b) => (b < a || Number.isNaN(a) ? b : a));
    case 'max':
      return values.reduce((a, b) => (b > a || Number.isNaN(a) ? b : a));
    case 'avg':
      return values.reduce((mean, value, i) => mean + (value - mean) / (i + 1), 0);
    case 'stddev':
      return Math.sqrt(variance(values));
    case 'stdvar':
      return variance(values);
  }
}

/** Computes the population variance in one pass (Welford 1962). */
export function variance(values: Iterable<number>): number {
  let [count, mean, sum] = [0, 0, 0];
  for (const value of values) {
    count++;
    const delta = value - mean;
    mean += delta / count;
    sum += delta * (value - mean);
  }
  return sum / count;
}
