import { COMMON_SERIES, exportName, type RecipeInfo } from '@maestro/protocol';
import type { StepRow } from './history.ts';

/** A quantity of a job with a value at each step. */
export interface Series {
  readonly name: string;
  /** Empty when it has none. */
  readonly unit: string;
  /** Tag in TensorBoard. */
  readonly tag: string;
  /** Undefined at a step that did not report it. */
  readonly of: (row: StepRow) => number | undefined;
}

/** Returns the images per second of a step. */
export function imagesPerSecond({ images, stepSeconds }: StepRow): number {
  return images / Math.max(stepSeconds, 1e-9);
}

/** Series that every job has. */
const COMMON: { readonly [Name in (typeof COMMON_SERIES)[number]]: Omit<Series, 'name'> } = {
  imagesPerSecond: { unit: 'images/s', tag: 'speed/images_per_second', of: imagesPerSecond },
  stepSeconds: { unit: 's', tag: 'speed/step_seconds', of: ({ stepSeconds }) => stepSeconds },
};

/** Returns every series of a job: those of its recipe, then those that every job has. */
export function seriesOf({ series, verb }: Pick<RecipeInfo, 'series' | 'verb'>): Series[] {
  const group = verb === 'training' ? 'train' : 'measure';
  return [
    ...series.map((metric) => ({
      name: metric.name,
      unit: '',
      tag: `${group}/${exportName(metric)}`,
      of: ({ metrics }: StepRow) => metrics[metric.name],
    })),
    ...COMMON_SERIES.map((name) => ({ name, ...COMMON[name] })),
  ];
}

/** Step, time in milliseconds since 1970, value. */
export type SeriesPoint = readonly [step: number, timeMs: number, value: number];

/**
 * Returns at most `points` points of a series: with more rows, the lowest and the highest of each of equally many neighbours, so that no
 * spike is lost. The first and the last row with a value are always included.
 */
export function seriesPoints(rows: readonly StepRow[], { of }: Pick<Series, 'of'>, points: number): SeriesPoint[] {
  const all = rows.flatMap((row): SeriesPoint[] => {
    const value = of(row);
    return value === undefined ? [] : [[row.step, row.timeMs, value]];
  });
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
