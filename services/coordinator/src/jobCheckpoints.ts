import { join } from 'node:path';
import { describeProblems, glanceAtCheckpoint, type ListedCheckpoint, listCheckpoints } from '@maestro/checkpoint';
import { type CheckpointResource, isMaestroError, MaestroError, numberKey, type Page, type PageQuery, pageOf } from '@maestro/protocol';

/** Where a job's checkpoints are, in the data folder. */
export function checkpointFolder(dataDir: string, jobId: string): string {
  return join(dataDir, 'jobs', jobId, 'checkpoints');
}

/** A page of a job's checkpoints that are on disk, newest first; only those of the page are looked at. */
export async function listJobCheckpoints(dataDir: string, jobId: string, query: PageQuery): Promise<Page<CheckpointResource>> {
  const listed = (await listCheckpoints(checkpointFolder(dataDir, jobId))).reverse();
  const { items, ...rest } = pageOf(listed, query, ({ step }) => numberKey(step), 'descending');
  return { items: (await Promise.all(items.map(checkpointResource))).filter((resource) => resource !== undefined), ...rest };
}

/**
 * The folder of a job's checkpoint.
 * @throws MaestroError `not-found`.
 */
export async function findJobCheckpoint(dataDir: string, jobId: string, step: number): Promise<string> {
  const found = (await listCheckpoints(checkpointFolder(dataDir, jobId))).find((checkpoint) => checkpoint.step === step);
  if (found === undefined) throw new MaestroError('not-found', `job ${jobId}: there is no checkpoint of step ${step} on disk`);
  return found.dir;
}

/** Undefined for one that retention has removed meanwhile. */
async function checkpointResource({ step, dir }: ListedCheckpoint): Promise<CheckpointResource | undefined> {
  try {
    const { checkpointHash, sizeBytes = 0, valid, problems, writtenAt } = await glanceAtCheckpoint(dir);
    return {
      step,
      path: dir,
      ...(checkpointHash !== undefined && { hash: checkpointHash }),
      bytes: sizeBytes,
      createdAt: writtenAt.toISOString(),
      valid,
      ...(!valid && { problem: describeProblems(problems) }),
    };
  } catch (error) {
    if (isMaestroError(error, 'not-found')) return undefined;
    throw error;
  }
}
