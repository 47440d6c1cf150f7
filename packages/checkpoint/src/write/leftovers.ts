import { readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { mayRun, type ProcessIdentity } from '@maestro/protocol';
import { type PassingFolder, parsePassingFolder, stepFolder } from './folderNames.ts';

/** Age after which a folder on its way is abandoned whoever has it in hand: no write goes that long without starting another file. */
const ABANDONED_MS = 60 * 60 * 1000;

/** Folders that calls of this process have in hand now. */
const inHand = new Set<string>();

/** What is known where {@link isAbandoned} is asked. */
export interface Surroundings {
  readonly host: string;
  readonly isRunning: (process: ProcessIdentity) => boolean;
}

/** Whether nobody will finish with a folder: its process on this host is gone, or it has not been touched for an hour. */
export function isAbandoned({ host, process }: PassingFolder, ageMs: number, here: Surroundings): boolean {
  return ageMs > ABANDONED_MS || (host === here.host && !here.isRunning(process));
}

/** Runs `work` on a folder that {@link cleanLeftovers} in this process must leave alone meanwhile. */
export async function withFolderInHand<T>(path: string, work: () => Promise<T>): Promise<T> {
  inHand.add(path);
  try {
    return await work();
  } finally {
    inHand.delete(path);
  }
}

/**
 * Clears what processes that died left in a checkpoint root: unfinished folders are removed, and a checkpoint that was moved aside for one
 * that never came is moved back. Folders that a living process has in hand stay.
 *
 * @returns the names that were cleared
 */
export async function cleanLeftovers(root: string): Promise<string[]> {
  const names = await readdir(root);
  const cleared: string[] = [];
  for (const name of names) {
    const folder = parsePassingFolder(name);
    const path = join(root, name);
    if (folder === undefined || inHand.has(path)) continue;
    const touched = await stat(path).catch(() => undefined); // Its writer may finish with it just now.
    if (touched === undefined) continue;
    // A folder of this very process id that is not in hand is of an earlier process, as in a container that was started again.
    const isRunning = (writer: ProcessIdentity) => writer.pid !== process.pid && mayRun(writer);
    if (!isAbandoned(folder, Date.now() - touched.mtimeMs, { host: hostname(), isRunning })) continue;
    if (folder.state === 'replaced' && !names.includes(stepFolder(folder.step))) await rename(path, join(root, stepFolder(folder.step)));
    else await rm(path, { recursive: true, force: true });
    cleared.push(name);
  }
  return cleared;
}
