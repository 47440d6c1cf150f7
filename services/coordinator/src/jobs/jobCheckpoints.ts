import { describeProblems, glanceAtCheckpoint, type ListedCheckpoint, listCheckpoints } from '@maestro/checkpoint';
import { type CheckpointResource, isMaestroError, MaestroError, numberKey, type Page, type PageQuery, pageOf } from '@maestro/protocol';
import { withinDeadline } from '../run/withinDeadline.ts';

/** Deadline of a disk or server for read-only requests. */
const ANSWER_MS = 8000;

/**
 * Returns a page of the checkpoints in a job's root, newest first; only those on the page are examined. One that another job wrote is
 * invalid. @throws MaestroError `unavailable`, `storage`.
 */
export function listJobCheckpoints(
  { root, job }: { readonly root: string; readonly job: string },
  query: PageQuery,
): Promise<Page<CheckpointResource>> {
  return withinDeadline(`checkpoints in ${root}`, listPage(root, job, query), ANSWER_MS);
}

async function listPage(root: string, job: string, query: PageQuery): Promise<Page<CheckpointResource>> {
  const listed = (await listCheckpoints(root)).reverse();
  const { items, ...rest } = pageOf(listed, query, ({ step }) => numberKey(step), 'descending');
  const found = await Promise.all(items.map((listed) => checkpointResource(listed, job)));
  return { items: found.filter((resource) => resource !== undefined), ...rest };
}

/**
 * Returns the folder of a step's checkpoint.
 * @throws MaestroError `not-found`.
 */
export async function findJobCheckpoint(root: string, step: number): Promise<string> {
  const found = (await listCheckpoints(root)).find((checkpoint) => checkpoint.step === step);
  if (found === undefined) throw new MaestroError('not-found', `there is no checkpoint of step ${step} in ${root}`);
  return found.dir;
}

/** Undefined for one that retention has removed meanwhile. */
async function checkpointResource({ step, dir }: ListedCheckpoint, job: string): Promise<CheckpointResource | undefined> {
  try {
    const { checkpointHash, sizeBytes = 0, valid, problems, writtenAt } = await glanceAtCheckpoint(dir, { job });
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
