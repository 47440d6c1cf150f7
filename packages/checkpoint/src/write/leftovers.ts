import { readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { mayRun, type ProcessIdentity } from '@maestro/protocol';
import { type PassingFolder, parsePassingFolder, stepFolder } from './folderNames.ts';

/**
 * Age after which a folder in transition counts as abandoned, whoever works on it: no write takes that long without starting another file.
 */
const ABANDONED_MS = 60 * 60 * 1000;

/** Folders that calls of this process are working on. */
const inHand = new Set<string>();

/** This host and its processes, as {@link isAbandoned} sees them. */
export interface Surroundings {
  readonly host: string;
  readonly isRunning: (process: ProcessIdentity) => boolean;
}

/** True when nobody will finish a folder: its process on this host has gone, or it has not been touched for an hour. */
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
 * Cleans up after dead processes in a checkpoint root: removes unfinished folders, and moves a checkpoint back that was moved aside for one
 * that never came. Folders of a living process stay.
 *
 * @returns the names that were cleaned up
 */
export async function cleanLeftovers(root: string): Promise<string[]> {
  const names = await readdir(root);
  const cleared: string[] = [];
  for (const name of names) {
    const folder = parsePassingFolder(name);
    const path = join(root, name);
    if (folder === undefined || inHand.has(path)) continue;
    const touched = await stat(path).catch(() => undefined); // Its writer may be finishing right now.
    if (touched === undefined) continue;
    // A folder with this very process id that no call works on belongs to an earlier process, as in a restarted container.
    const isRunning = (writer: ProcessIdentity) => writer.pid !== process.pid && mayRun(writer);
    if (!isAbandoned(folder, Date.now() - touched.mtimeMs, { host: hostname(), isRunning })) continue;
    if (folder.state === 'replaced' && !names.includes(stepFolder(folder.step))) await rename(path, join(root, stepFolder(folder.step)));
    else await rm(path, { recursive: true, force: true });
    cleared.push(name);
  }
  return cleared;
}
