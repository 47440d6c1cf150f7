import type { StepRow } from './history.ts';
import { eventFile } from './tensorboard.ts';

/** The formats in which a job's steps are given out. TensorBoard looks for files with `tfevents` in their name. */
export const EXPORT_FORMATS = {
  csv: { contentType: 'text/csv; charset=utf-8', fileName: 'csv' },
  jsonl: { contentType: 'application/x-ndjson; charset=utf-8', fileName: 'jsonl' },
  tensorboard: { contentType: 'application/octet-stream', fileName: 'tfevents' },
} as const;

/** A name in {@link EXPORT_FORMATS}. */
export type ExportFormat = keyof typeof EXPORT_FORMATS;

const COLUMNS = ['step', 'time', 'loss', 'learningRate', 'gradNorm', 'images', 'stepSeconds', 'imagesPerSecond'] as const;

/** Writes rows in a format; `startMs` is when the job was created. */
export function exportRows(format: ExportFormat, rows: readonly StepRow[], startMs: number): Buffer {
  if (format === 'tensorboard') return eventFile(rows, startMs);
  const records = rows.map(({ timeMs, ...row }) => ({
    ...row,
    time: new Date(timeMs).toISOString(),
    imagesPerSecond: row.images / Math.max(row.stepSeconds, 1e-9),
  }));
  const lines =
    format === 'csv'
      ? [COLUMNS.join(','), ...records.map((record) => COLUMNS.map((column) => record[column]).join(','))]
      : records.map((record) => JSON.stringify(Object.fromEntries(COLUMNS.map((column) => [column, record[column]]))));
  return Buffer.from(lines.map((line) => `${line}\n`).join(''));
}
