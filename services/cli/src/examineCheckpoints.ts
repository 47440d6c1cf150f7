import { folderStep, glanceAtCheckpoint, listCheckpoints, verifyCheckpoint } from '@maestro/checkpoint';
import { MaestroError } from '@maestro/protocol';
import { lastName, resolveLocation } from '@maestro/storage';
import { checkpointsOf } from './checkpointsOf.ts';
import type { ExaminedCheckpoint } from './checkpointTable.ts';

/** Checks every byte of a checkpoint: a folder, or `s3://bucket/prefix/...`. */
export async function examine(place: string): Promise<ExaminedCheckpoint> {
  const dir = resolveLocation(place);
  const { writtenAt } = await glanceAtCheckpoint(dir);
  return { ...(await verifyCheckpoint(dir)), writtenAt: writtenAt.toISOString() };
}

/** {@link examine} for all of a job, or of a place, oldest first. @throws MaestroError `not-found` when there are none. */
export async function examineAll(dataDir: string, job: string): Promise<ExaminedCheckpoint[]> {
  const root = checkpointsOf(dataDir, job);
  const listed = await listCheckpoints(root);
  if (listed.length === 0) {
    const advice = folderStep(lastName(root)) === undefined ? 'name their folder, or the --data-dir of the job' : 'use checkpoint verify';
    throw new MaestroError('not-found', `checkpoint ls: no checkpoints in ${root}; ${advice}`);
  }
  const examined: ExaminedCheckpoint[] = [];
  for (const { dir } of listed) examined.push(await examine(dir));
  return examined;
}
