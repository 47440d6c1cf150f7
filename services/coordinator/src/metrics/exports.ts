import type { MetricFormat, RecipeInfo } from '@maestro/protocol';
import type { StepRow } from './history.ts';
import { imagesPerSecond, seriesOf } from './series.ts';
import { eventFile } from './tensorboard.ts';

/** Export formats of a job's steps. TensorBoard looks for files with `tfevents` in their name. */
export const EXPORT_FORMATS = {
  csv: { contentType: 'text/csv; charset=utf-8', fileName: 'csv' },
  jsonl: { contentType: 'application/x-ndjson; charset=utf-8', fileName: 'jsonl' },
  tensorboard: { contentType: 'application/octet-stream', fileName: 'tfevents' },
} as const satisfies Readonly<Record<MetricFormat, { readonly contentType: string; readonly fileName: string }>>;

/**
 * Encodes rows in a format: the recipe's metrics, in order, and the speed. Missing metrics are left out (in CSV: empty). `startMs` is the
 * job's creation time.
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
