import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { folderStep, stepFolder } from '@maestro/checkpoint';
import type { DrawnCheckpoint } from '@maestro/evaluation';

/** Maximum pictures of a job. */
const MOST_PICTURES = 48;

/** Returns the folder of a job's pictures. */
export function picturesFolder(dataDir: string, jobId: string): string {
  return join(dataDir, 'jobs', jobId, 'reconstructions');
}

/** Returns the path of a step's picture. */
export function picturePath(folder: string, step: number): string {
  return join(folder, `${stepFolder(step)}.png`);
}

/** Lists the steps that have pictures, in order. */
export async function pictureSteps(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const steps = names.flatMap((name) => (name.endsWith('.json') ? (folderStep(name.slice(0, -'.json'.length)) ?? []) : []));
  return steps.sort((a, b) => a - b);
}

/** Reads the descriptions of all pictures, in the order of their steps; skips one that is being removed. */
export async function readPictures(folder: string): Promise<DrawnCheckpoint[]> {
  const read = (await pictureSteps(folder)).map(async (step): Promise<DrawnCheckpoint[]> => {
    try {
      return [JSON.parse(await readFile(join(folder, `${stepFolder(step)}.json`), 'utf8')) as DrawnCheckpoint];
    } catch {
      return [];
    }
  });
  return (await Promise.all(read)).flat();
}

/**
 * Chooses the pictures to remove so that at most `most` stay: one at a time, the one whose neighbours are closest together, so that the
 * rest stay spread over the run. The first and the last always stay.
 */
export function stepsToThin(steps: readonly number[], most: number = MOST_PICTURES): number[] {
  const kept = [...steps];
  const removed: number[] = [];
  while (kept.length > Math.max(2, most)) {
    let narrowest = 1;
    for (let at = 1; at < kept.length - 1; at++) {
      if (kept[at + 1]! - kept[at - 1]! < kept[narrowest + 1]! - kept[narrowest - 1]!) narrowest = at;
    }
    removed.push(...kept.splice(narrowest, 1));
  }
  return removed;
}

/** Removes the pictures of {@link stepsToThin}. */
export async function thinPictures(folder: string): Promise<void> {
  for (const step of stepsToThin(await pictureSteps(folder))) {
    await rm(join(folder, `${stepFolder(step)}.json`), { force: true });
    await rm(picturePath(folder, step), { force: true });
  }
}
