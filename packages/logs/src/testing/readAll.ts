import { lineFilter } from '../lineFilter.ts';
import type { LogArchive } from '../logArchive.ts';
import type { LogLine } from '../logLine.ts';
import { readForward } from '../scan.ts';

/** Every line of a job. */
export async function readAll(archive: LogArchive, job: string): Promise<LogLine[]> {
  const { lines } = await readForward(await archive.open(job), { filter: lineFilter({}), after: 0, limit: Number.POSITIVE_INFINITY });
  return lines;
}
