import { MaestroError } from '@maestro/protocol';
import type { Turns } from '../archive/scan.ts';
import { labelsKey, type QueryLabels } from '../stream/labels.ts';
import type { Grouping } from './ast.ts';

/** Numbers over time, one for each step; where `isThere` is 0 there is none. */
export interface Series {
  readonly labels: QueryLabels;
  readonly values: Float64Array;
  readonly isThere: Uint8Array;
}

/** Maximum series of an answer, as in Loki. */
export const MOST_SERIES = 500;
/** Limits the points of all series of a query, including intermediate ones: 9 bytes each. */
const MOST_POINTS = 20_000_000;
/** Limits the numbers from `| unwrap` in all parts of a query. */
const MOST_SAMPLES = 2_000_000;
/** Limits the visits of numbers: overlapping ranges visit each several times. */
const MOST_LOOKS = 50_000_000;

/** Remaining memory and time of a query. Each method throws `invalid-argument` when it is used up. */
export interface QueryBudget {
  /** Creates a series without points. */
  series(labels: QueryLabels, length: number): Series;
  sample(): void;
  looks(count: number): void;
  /** Yields to the event loop. */
  readonly turns: Turns;
}

/** Creates the budget of one query. */
export function openBudget(turns: Turns): QueryBudget {
  let [points, samples, looks] = [0, 0, 0];
  const refuse = (message: string): never => {
    throw new MaestroError('invalid-argument', message);
  };
  return {
    turns,
    series(labels, length) {
      points += length;
      if (points > MOST_POINTS)
        refuse(`the query makes more than ${MOST_POINTS} points; group them with sum by (...), or use a longer step`);
      return { labels, values: new Float64Array(length), isThere: new Uint8Array(length) };
    },
    sample() {
      if (++samples > MOST_SAMPLES) refuse(`the query unwraps more than ${MOST_SAMPLES} numbers; select fewer lines or a shorter time`);
    },
    looks(count) {
      looks += count;
      if (looks > MOST_LOOKS) refuse(`the query reads more than ${MOST_LOOKS} numbers; use a shorter [range] or a longer step`);
    },
  };
}

/** Throws when an answer has too many series. */
export function requireFewSeries(count: number): void {
  if (count <= MOST_SERIES) return;
  throw new MaestroError(
    'invalid-argument',
    `maximum number of series (${MOST_SERIES}) reached for a single query; group them with sum by (...) or topk(...), or select ` +
      'fewer streams',
  );
}

/** Returns the labels that a grouping keeps; none without a grouping. */
export function groupLabels(labels: QueryLabels, grouping: Grouping | undefined): QueryLabels {
  if (grouping === undefined) return NO_LABELS;
  return new Map([...labels].filter(([name, value]) => value !== '' && grouping.names.includes(name) !== grouping.isWithout));
}

const NO_LABELS: QueryLabels = new Map();

/** Groups series by the labels that `labelsOf` returns, in order of first occurrence. */
export function groupSeries(
  series: readonly Series[],
  labelsOf: (labels: QueryLabels) => QueryLabels,
): { readonly labels: QueryLabels; readonly members: readonly Series[] }[] {
  const groups = new Map<string, { readonly labels: QueryLabels; readonly members: Series[] }>();
  for (const each of series) {
    const labels = labelsOf(each.labels);
    const key = labelsKey(labels);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { labels, members: [each] });
    else group.members.push(each);
  }
  return [...groups.values()];
}
