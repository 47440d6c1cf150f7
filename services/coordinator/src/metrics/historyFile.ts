import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MaestroError } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { z } from 'zod';
import { addRow, MOST_ROWS, type StepRow } from './history.ts';

/** The history of a job's steps on disk. Added rows reach the file within milliseconds, and survive the coordinator. */
export interface HistoryFile {
  add(row: StepRow): void;
  rows(): Promise<readonly StepRow[]>;
  /** Waits until all added rows are written. */
  flush(): Promise<void>;
}

/**
 * Returns the path of a job's history: a line for each row, in any order, where a later one replaces an earlier one of the same step. A
 * line is the JSON array `[step, time in ms, images, step in s, { metric: value }]`; the form of an older version, `[step, time in ms,
 * loss, learning rate, gradient norm, images, step in s]`, is read as well.
 */
export function historyPath(dataDir: string, jobId: string): string {
  return join(dataDir, 'jobs', jobId, 'history.jsonl');
}

/** Opens a job's history; its rows are read on first use. A failing disk is logged, and costs the rows that were not written. */
export function openHistoryFile(path: string, { log, most = MOST_ROWS }: { readonly log: Logger; readonly most?: number }): HistoryFile {
  let rows: StepRow[] | undefined;
  const early: StepRow[] = [];
  let loading: Promise<StepRow[]> | undefined;
  let lines: string[] = [];
  /** Lines in the file. At twice the number of rows it is rewritten; also after a line that was not written completely. */
  let written = 0;
  let isRewriteDue = false;
  let pumping: Promise<void> | undefined;
  let hasFailed = false;

  const load = (): Promise<StepRow[]> => {
    loading ??= readRows(path, most).then(({ rows: read, lines: found, isWhole }) => {
      for (const row of early) addRow(read, row, most);
      early.length = 0;
      rows = read;
      written = found;
      isRewriteDue ||= !isWhole;
      return read;
    });
    // A failing disk is retried.
    loading.catch(() => {
      loading = undefined;
    });
    return loading;
  };

  const write = async (): Promise<void> => {
    while (lines.length > 0 || isRewriteDue) {
      const mine = lines;
      lines = [];
      try {
        const all = await load();
        const isRewrite = isRewriteDue || written + mine.length > 2 * most;
        isRewriteDue = false;
        await mkdir(dirname(path), { recursive: true });
        if (isRewrite) {
          const whole = all.map(lineOf);
          await writeFile(`${path}.new`, whole.join(''));
          await rename(`${path}.new`, path);
          written = whole.length;
        } else {
          await appendFile(path, mine.join(''));
          written += mine.length;
        }
        hasFailed = false;
      } catch (error) {
        if (!hasFailed) log.warn({ path, error }, 'the history of steps could not be written');
        hasFailed = true;
        isRewriteDue = true;
        return; // the next step tries again
      }
    }
  };
  const pump = (): Promise<void> => {
    pumping ??= write().finally(() => {
      pumping = undefined;
      if (lines.length > 0 && !hasFailed) void pump();
    });
    return pumping;
  };

  return {
    add(row) {
      if (rows === undefined) addRow(early, row, most);
      else addRow(rows, row, most);
      lines.push(lineOf(row));
      if (lines.length > most) lines.shift(); // a failing disk: the rows will be rewritten
      void pump();
    },
    rows: load,
    async flush() {
      while (pumping !== undefined) await pumping;
    },
  };
}

/** Reads a history; skips whatever is not a row, such as a truncated last line. */
async function readRows(
  path: string,
  most: number,
): Promise<{ readonly rows: StepRow[]; readonly lines: number; readonly isWhole: boolean }> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw new MaestroError('storage', `the history of steps cannot be read: ${error.message}`, { cause: error });
  });
  const lines = text.split('\n').filter((line) => line !== '');
  const read = lines.flatMap((line) => parseRow(line) ?? []);
  const rows: StepRow[] = [];
  for (const row of read) addRow(rows, row, most);
  return { rows, lines: lines.length, isWhole: read.length === lines.length && (text === '' || text.endsWith('\n')) };
}

function lineOf({ step, timeMs, images, stepSeconds, metrics }: StepRow): string {
  return `${JSON.stringify([step, timeMs, images, stepSeconds, metrics])}\n`;
}

const rowSchema = z
  .tuple([z.number(), z.number(), z.number(), z.number(), z.record(z.string(), z.number())])
  .transform(([step, timeMs, images, stepSeconds, metrics]): StepRow => ({ step, timeMs, images, stepSeconds, metrics }));
const formerRowSchema = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number(), z.number(), z.number()]).transform(
  ([step, timeMs, loss, learningRate, gradNorm, images, stepSeconds]): StepRow => ({
    ...{ step, timeMs, images, stepSeconds },
    metrics: { loss, learningRate, gradNorm },
  }),
);
const lineSchema = z.union([rowSchema, formerRowSchema]);

function parseRow(line: string): StepRow | undefined {
  try {
    return lineSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
