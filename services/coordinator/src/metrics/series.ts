import type { StepRow } from './history.ts';

/** Every series of a job, with its unit. */
export const SERIES = {
  loss: { unit: '', of: ({ loss }: StepRow) => loss },
  learningRate: { unit: '', of: ({ learningRate }: StepRow) => learningRate },
  gradNorm: { unit: '', of: ({ gradNorm }: StepRow) => gradNorm },
  imagesPerSecond: { unit: 'images/s', of: ({ images, stepSeconds }: StepRow) => images / Math.max(stepSeconds, 1e-9) },
  stepSeconds: { unit: 's', of: ({ stepSeconds }: StepRow) => stepSeconds },
} as const satisfies Readonly<Record<string, { readonly unit: string; readonly of: (row: StepRow) => number }>>;

/** A name in {@link SERIES}. */
export type SeriesName = keyof typeof SERIES;

/** All names, in their order. */
export const SERIES_NAMES = Object.keys(SERIES) as [SeriesName, ...SeriesName[]];

/** Step, time in milliseconds since 1970, value. */
export type SeriesPoint = readonly [step: number, timeMs: number, value: number];

/**
 * At most `points` points of a series: where there are more rows, the lowest and the highest of each of equally many neighbours, so that no
 * spike is lost. The first and the last row are always among them.
 */
export function seriesPoints(rows: readonly StepRow[], name: SeriesName, points: number): SeriesPoint[] {
  const { of } = SERIES[name];
  const all = rows.map((row): SeriesPoint => [row.step, row.timeMs, of(row)]);
  if (all.length <= points) return all;
  const inner = all.slice(1, -1);
  const buckets = Math.max(1, Math.floor((points - 2) / 2));
  const kept: SeriesPoint[] = [all[0]!];
  for (let bucket = 0; bucket < buckets && points > 3; bucket++) {
    const part = inner.slice(Math.floor((bucket * inner.length) / buckets), Math.floor(((bucket + 1) * inner.length) / buckets));
    if (part.length === 0) continue;
    let [low, high] = [part[0]!, part[0]!];
    for (const point of part) {
      if (point[2] < low[2]) low = point;
      if (point[2] > high[2]) high = point;
    }
    kept.push(...(low === high ? [low] : low[0] < high[0] ? [low, high] : [high, low]));
  }
  return [...kept, all.at(-1)!];
}
