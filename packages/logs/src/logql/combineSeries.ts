import { MaestroError } from '@maestro/protocol';
import { labelsKey, type QueryLabels } from '../stream/labels.ts';
import type { BinaryQuery } from './ast.ts';
import { calculate, isSetOperator, type NumberOperator } from './calculate.ts';
import { groupSeries, type QueryBudget, type Series } from './series.ts';

/** Applies an operator between a number and series, point by point. A comparison without `bool` filters the points. */
export function combineWithNumber(
  { op, isBool }: BinaryQuery,
  series: readonly Series[],
  number: number,
  isNumberLeft: boolean,
  budget: QueryBudget,
): Series[] {
  return series.map(({ labels, values, isThere }) => {
    const result = budget.series(labels, values.length);
    budget.looks(values.length);
    for (let i = 0; i < values.length; i++) {
      if (isThere[i] !== 1) continue;
      const value = values[i]!;
      const made = isNumberLeft ? apply(op, isBool, number, value, value) : apply(op, isBool, value, number, value);
      if (made !== undefined) put(result, i, made);
    }
    return result;
  });
}

function put(series: Series, at: number, value: number): void {
  series.isThere[at] = 1;
  series.values[at] = value;
}

/** `kept` is the value that a successful comparison keeps. */
function apply(op: BinaryQuery['op'], isBool: boolean, left: number, right: number, kept: number): number | undefined {
  const made = calculate(op as NumberOperator, left, right);
  if (typeof made === 'number') return made;
  if (isBool) return made ? 1 : 0;
  return made ? kept : undefined;
}

/**
 * Applies an operator between series with equal labels, or equal in those that `on` and `ignoring` select.
 * @throws MaestroError `invalid-argument` when more than one series of a side matches one of the other.
 */
export async function combineSeries(
  query: BinaryQuery,
  left: readonly Series[],
  right: readonly Series[],
  length: number,
  budget: QueryBudget,
): Promise<Series[]> {
  const { op, matching } = query;
  const signature = (labels: QueryLabels): QueryLabels =>
    matching === undefined ? labels : new Map([...labels].filter(([name]) => matching.names.includes(name) === matching.isOn));
  budget.looks((left.length + right.length) * length);
  const rights = new Map(groupSeries(right, signature).map(({ labels, members }) => [labelsKey(labels), members]));
  const lefts = new Map(groupSeries(left, signature).map(({ labels, members }) => [labelsKey(labels), members]));
  if (op === 'or') {
    const others = [...rights].flatMap(([key, members]) => members.map((each) => masked(each, lefts.get(key) ?? [], false, budget)));
    return merged([...left, ...others], length, budget);
  }
  if (isSetOperator(op)) {
    return [...lefts].flatMap(([key, members]) => members.map((each) => masked(each, rights.get(key) ?? [], op === 'and', budget)));
  }
  const pairs: Series[] = [];
  for (const [key, members] of lefts) {
    const others = rights.get(key) ?? [];
    for (const each of others.length === 0 ? [] : members) {
      await budget.turns();
      budget.looks((members.length + others.length) * length);
      pairs.push(pair(query, each, members, others, budget));
    }
  }
  return merged(pairs, length, budget);
}

/** Keeps a series where one of `others` is present, or where none is. */
function masked(series: Series, others: readonly Series[], isWanted: boolean, budget: QueryBudget): Series {
  const { labels, values, isThere } = series;
  const result = budget.series(labels, values.length);
  for (let i = 0; i < values.length; i++) {
    if (isThere[i] === 1 && others.some((other) => other.isThere[i] === 1) === isWanted) put(result, i, values[i]!);
  }
  return result;
}

function pair(query: BinaryQuery, series: Series, siblings: readonly Series[], others: readonly Series[], budget: QueryBudget): Series {
  const { op, isBool, matching } = query;
  const { values, isThere } = series;
  const labels =
    matching === undefined
      ? series.labels
      : new Map([...series.labels].filter(([name]) => matching.names.includes(name) === matching.isOn));
  const result = budget.series(labels, values.length);
  for (let i = 0; i < values.length; i++) {
    const there = others.filter((other) => other.isThere[i] === 1);
    if (there.length > 1) {
      throw new MaestroError(
        'invalid-argument',
        'found duplicate series on the right hand-side;many-to-many matching not allowed: matching labels must be unique on one side',
      );
    }
    if (isThere[i] !== 1 || there.length === 0) continue;
    if (siblings.some((sibling) => sibling !== series && sibling.isThere[i] === 1)) {
      throw new MaestroError(
        'invalid-argument',
        'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)',
      );
    }
    const made = apply(op, isBool, values[i]!, there[0]!.values[i]!, values[i]!);
    if (made !== undefined) put(result, i, made);
  }
  return result;
}

/** Merges series with equal labels: those that `on` leaves may be equal at different steps. */
function merged(series: readonly Series[], length: number, budget: QueryBudget): Series[] {
  return groupSeries(series, (labels) => labels).map(({ labels, members }) => {
    if (members.length === 1) return members[0]!;
    const result = budget.series(labels, length);
    for (const { values, isThere } of members) {
      for (let i = 0; i < length; i++) if (isThere[i] === 1) put(result, i, values[i]!);
    }
    return result;
  });
}
