import { readdir } from 'node:fs/promises';
import { isUrl, joinLocation, openStorage, resolveLocation, storageError } from '@maestro/storage';
import { MANIFEST_FILE } from '../format/manifest.ts';
import { folderStep, stepFolder } from '../write/folderNames.ts';

/** A checkpoint that is listed but not examined. */
export interface ListedCheckpoint {
  readonly step: number;
  readonly dir: string;
}

/**
 * Lists the checkpoints of a root in the order of their steps; none when there is no such folder. An object store has no renames: there a
 * checkpoint without a manifest is incomplete and not listed.
 *
 * @throws MaestroError `storage` when the folder cannot be read
 */
export async function listCheckpoints(root: string): Promise<ListedCheckpoint[]> {
  const steps = (await (isUrl(root) ? finishedFolders(root) : folders(root))).map(folderStep).filter((step) => step !== undefined);
  return steps.sort((a, b) => a - b).map((step) => ({ step, dir: joinLocation(resolveLocation(root), stepFolder(step)) }));
}

async function folders(root: string): Promise<string[]> {
  return readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw storageError(error, `listing checkpoints in ${root}`);
  });
}

async function finishedFolders(root: string): Promise<string[]> {
  const objects = await openStorage(root).list();
  return objects.flatMap(({ name }) => (name.endsWith(`/${MANIFEST_FILE}`) ? [name.slice(0, -MANIFEST_FILE.length - 1)] : []));
}
