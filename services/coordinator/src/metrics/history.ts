import type { Metrics, StepCommitted } from '@maestro/protocol';

/** The recorded metrics of a committed step: `step` counts it, times are in seconds except where the name says otherwise. */
export interface StepRow {
  readonly step: number;
  /** Time at which the coordinator received it, in milliseconds since 1970. */
  readonly timeMs: number;
  /** Number of images of the global batch. */
  readonly images: number;
  readonly stepSeconds: number;
  /** Metrics of the job's recipe, by name. */
  readonly metrics: Metrics;
}

/** Maximum rows of a job: enough that no curve on a screen shows the thinning. */
export const MOST_ROWS = 4096;
/** Maximum rows that thinning keeps of a range of steps. */
const KEPT_PER_RANGE = 4;

/** Converts a committed step to its row. */
export function rowOf({ step, images, stepSeconds, metrics }: StepCommitted, timeMs: number): StepRow {
  return { step, timeMs, images, stepSeconds, metrics };
}

/**
 * Inserts a row into rows sorted by step, in place. A recomputed step replaces its row. Returns true when there were more than `most` rows,
 * which are then thinned.
 */
export function addRow(rows: StepRow[], row: StepRow, most: number = MOST_ROWS): boolean {
  const at = placeOf(rows, row.step);
  rows.splice(at, rows[at]?.step === row.step ? 1 : 0, row);
  if (rows.length <= most) return false;
  rows.splice(0, rows.length, ...thinned(rows, most));
  return true;
}

/**
 * Thins to at most half of `most` rows: of each of equally wide ranges of steps keeps the lowest and the highest value of the headline
 * metric (the first one in the newest row), the longest step and the last one. Early steps are thus shown as finely as late ones, spikes
 * keep their place, and the newest row always stays.
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

/** Returns the index of the first row that is not before `step`; steps mostly arrive in order. */
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
