import type { MetricFormat, RecipeInfo } from '@maestro/protocol';
import type { StepRow } from './history.ts';
import { imagesPerSecond, seriesOf } from './series.ts';
import { eventFile } from './tensorboard.ts';

/** The formats in which a job's steps are given out. TensorBoard looks for files with `tfevents` in their name. */
export const EXPORT_FORMATS = {
  csv: { contentType: 'text/csv; charset=utf-8', fileName: 'csv' },
  jsonl: { contentType: 'application/x-ndjson; charset=utf-8', fileName: 'jsonl' },
  tensorboard: { contentType: 'application/octet-stream', fileName: 'tfevents' },
} as const satisfies Readonly<Record<MetricFormat, { readonly contentType: string; readonly fileName: string }>>;

/**
 * Writes rows in a format: what the recipe tells, in its order, and the speed. What a step did not tell is left out (in CSV: empty).
 * `startMs` is when the job was created.
 */
export function exportRows(
  format: MetricFormat,
  rows: readonly StepRow[],
  { recipe, startMs }: { readonly recipe: Pick<RecipeInfo, 'series' | 'verb'>; readonly startMs: number },
): Buffer {
  if (format === 'tensorboard') return eventFile(rows, { series: seriesOf(recipe), startMs });
  const names = recipe.series.map(({ name }) => name);
  const columns = ['step', 'time', ...names, 'images', 'stepSeconds', 'imagesPerSecond'];
  const records = rows.map((row): Readonly<Record<string, number | string | undefined>> => {
    const { step, timeMs, metrics, images, stepSeconds } = row;
    const told = Object.fromEntries(names.map((name) => [name, metrics[name]]));
    return { step, time: new Date(timeMs).toISOString(), ...told, images, stepSeconds, imagesPerSecond: imagesPerSecond(row) };
  });
  const lines =
    format === 'csv'
      ? [columns.join(','), ...records.map((record) => columns.map((column) => record[column] ?? '').join(','))]
      : records.map((record) => JSON.stringify(record));
  return Buffer.from(lines.map((line) => `${line}\n`).join(''));
}
