import { folderOwner, folderStep, glanceAtCheckpoint, listCheckpoints, verifyCheckpoint } from '@maestro/checkpoint';
import { MaestroError } from '@maestro/protocol';
import { lastName, resolveLocation } from '@maestro/storage';
import type { Command } from 'commander';
import { checkpointsOf, noCheckpoints } from './checkpointPlace.ts';
import type { ExaminedCheckpoint } from './checkpointTable.ts';

/** Verifies every byte of a checkpoint, a folder or `s3://bucket/prefix/...`, and, in a job's folder, that the job wrote it. */
export async function examine(place: string): Promise<ExaminedCheckpoint> {
  const dir = resolveLocation(place);
  const { writtenAt } = await glanceAtCheckpoint(dir);
  return { ...(await verifyCheckpoint(dir, { job: folderOwner(dir) })), writtenAt: writtenAt.toISOString() };
}

/** Runs {@link examine} for all checkpoints of a job or location, oldest first. @throws MaestroError `not-found` when there are none. */
export async function examineAll(program: Command, target: string, location?: string): Promise<ExaminedCheckpoint[]> {
  const { root, job } = await checkpointsOf(program, target, location);
  const listed = await listCheckpoints(root);
  if (listed.length === 0) {
    if (folderStep(lastName(root)) === undefined) throw await noCheckpoints(program, 'checkpoints', root, job);
    throw new MaestroError('not-found', `${root} is itself a checkpoint; use checkpoint verify`);
  }
  const examined: ExaminedCheckpoint[] = [];
  for (const { dir } of listed) examined.push(await examine(dir));
  return examined;
}
