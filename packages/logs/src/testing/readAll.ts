import type { LogArchive } from '../archive/logArchive.ts';
import { readForward } from '../archive/scan.ts';
import { lineFilter } from '../stream/lineFilter.ts';
import type { LogLine } from '../stream/logLine.ts';

/** Reads every line of a job. */
export async function readAll(archive: LogArchive, job: string): Promise<LogLine[]> {
  const { lines } = await readForward(await archive.open(job), { filter: lineFilter({}), after: 0, limit: Number.POSITIVE_INFINITY });
  return lines;
}
