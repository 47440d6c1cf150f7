import type { Metrics, StepCommitted } from '@maestro/protocol';

/** What is kept of a committed step: `step` counts it, times are in seconds except where the name says otherwise. */
export interface StepRow {
  readonly step: number;
  /** When the coordinator heard of it, milliseconds since 1970. */
  readonly timeMs: number;
  /** Images of the global batch. */
  readonly images: number;
  readonly stepSeconds: number;
  /** What the job's recipe tells, by name. */
  readonly metrics: Metrics;
}

/** Rows of a job, at most: enough that no curve on a screen shows that some are missing. */
export const MOST_ROWS = 4096;
/** Rows that thinning leaves of a range of steps, at most. */
const KEPT_PER_RANGE = 4;

/** The row of a committed step. */
export function rowOf({ step, images, stepSeconds, metrics }: StepCommitted, timeMs: number): StepRow {
  return { step, timeMs, images, stepSeconds, metrics };
}

/**
 * Puts a row into rows that are sorted by step, in place. A step that was computed again replaces its point. Where there are more than
 * `most` rows they are thinned; true then.
 */
export function addRow(rows: StepRow[], row: StepRow, most: number = MOST_ROWS): boolean {
  const at = placeOf(rows, row.step);
  rows.splice(at, rows[at]?.step === row.step ? 1 : 0, row);
  if (rows.length <= most) return false;
  rows.splice(0, rows.length, ...thinned(rows, most));
  return true;
}

/**
 * At most half of `most` rows: of each of equally wide ranges of steps the lowest and the highest of what the job is judged by (the first
 * metric that its newest row has), the longest step and the last one. So early steps are shown as finely as late ones, spikes stay where
 * they are, and the newest row always does.
 */
export function thinned(rows: readonly StepRow[], most: number): StepRow[] {
  const ranges = Math.max(1, Math.floor(most / 2 / KEPT_PER_RANGE));
  const [headline] = Object.keys(rows.at(-1)!.metrics);
  const judged = ({ metrics }: StepRow): number => (headline === undefined ? 0 : (metrics[headline] ?? 0));
  const first = rows[0]!.step;
  const width = (rows.at(-1)!.step - first + 1) / ranges;
  const kept: StepRow[] = [];
  for (let at = 0; at < rows.length; ) {
    const range = Math.floor((rows[at]!.step - first) / width);
    let end = at + 1;
    while (end < rows.length && Math.floor((rows[end]!.step - first) / width) === range) end++;
    const group = rows.slice(at, end);
    const chosen = new Set([
      extreme(group, (row) => -judged(row)),
      extreme(group, judged),
      extreme(group, ({ stepSeconds }) => stepSeconds),
      group.at(-1)!,
    ]);
    kept.push(...group.filter((row) => chosen.has(row)));
    at = end;
  }
  return kept;
}

function extreme(rows: readonly StepRow[], value: (row: StepRow) => number): StepRow {
  return rows.reduce((best, row) => (value(row) > value(best) ? row : best));
}

/** Index of the first row that is not before `step`; steps mostly come in order. */
function placeOf(rows: readonly StepRow[], step: number): number {
  if (rows.length === 0 || rows.at(-1)!.step < step) return rows.length;
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows[middle]!.step < step) low = middle + 1;
    else high = middle;
  }
  return low;
}
