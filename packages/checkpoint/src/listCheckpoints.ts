import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { folderStep, stepFolder } from './folderNames.ts';
import { storageError } from './storageError.ts';

/** A checkpoint that is listed, not examined. */
export interface ListedCheckpoint {
  readonly step: number;
  readonly dir: string;
}

/**
 * The checkpoints of a root in the order of their steps; none when there is no such folder.
 *
 * @throws MaestroError `storage` when the folder cannot be read
 */
export async function listCheckpoints(root: string): Promise<ListedCheckpoint[]> {
  const names = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw storageError(error, `listing checkpoints in ${root}`);
  });
  const steps = names.map(folderStep).filter((step) => step !== undefined);
  return steps.sort((a, b) => a - b).map((step) => ({ step, dir: join(resolve(root), stepFolder(step)) }));
}
