import { readdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isMaestroError, MaestroError } from '@maestro/protocol';
import type { CheckpointReport } from './checkpointReport.ts';
import { folderStep, passingFolder, stepFolder } from './folderNames.ts';
import { withFolderInHand } from './leftovers.ts';
import { type Checkpoint, invalidCheckpoint, type ReadCheckpointOptions, readCheckpoint } from './readCheckpoint.ts';
import { storageError } from './storageError.ts';
import { verifyCheckpoint } from './verifyCheckpoint.ts';

/** A checkpoint that is listed, not examined. */
export interface ListedCheckpoint {
  readonly step: number;
  readonly dir: string;
}

/** Told of each newer checkpoint that had to be passed over: a `checkpoint-invalid` that names what is wrong. */
export type OnInvalid = (error: MaestroError) => void;

/** The checkpoints of a root in the order of their steps; none when there is no such folder. */
export async function listCheckpoints(root: string): Promise<ListedCheckpoint[]> {
  const names = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw storageError(error, `listing checkpoints in ${root}`);
  });
  const steps = names.map(folderStep).filter((step) => step !== undefined);
  return steps.sort((a, b) => a - b).map((step) => ({ step, dir: join(resolve(root), stepFolder(step)) }));
}

/** The newest checkpoint that verifies, or undefined when there is none. */
export async function latestValidCheckpoint(
  root: string,
  { onInvalid, signal }: { readonly onInvalid: OnInvalid; readonly signal?: AbortSignal },
): Promise<CheckpointReport | undefined> {
  return newestThat(root, onInvalid, async (dir) => {
    const report = await verifyCheckpoint(dir, signal && { signal });
    if (!report.valid) throw invalidCheckpoint(report);
    return report;
  });
}

/**
 * Reads the newest checkpoint that is valid, or gives undefined when there is none: what a resume begins with. It costs one reading less
 * than latestValidCheckpoint and readCheckpoint.
 *
 * @throws MaestroError `conflict` when the newest valid checkpoint is of another model than `into`
 */
export async function readLatestCheckpoint(
  root: string,
  { onInvalid, ...options }: ReadCheckpointOptions & { readonly onInvalid: OnInvalid },
): Promise<Checkpoint | undefined> {
  return newestThat(root, onInvalid, (dir) => readCheckpoint(dir, options));
}

async function newestThat<T>(root: string, onInvalid: OnInvalid, open: (dir: string) => Promise<T>): Promise<T | undefined> {
  for (const { dir } of (await listCheckpoints(root)).reverse()) {
    try {
      return await open(dir);
    } catch (error) {
      // Retention may take the oldest away while the newest are read.
      if (isMaestroError(error, 'not-found')) continue;
      if (!isMaestroError(error, 'checkpoint-invalid')) throw error;
      onInvalid(error);
    }
  }
  return undefined;
}

/** Which checkpoints stay. */
export interface Retention {
  /** The step just written; it stays, and so does what is newer: only a run that went back has that, and it may be wanted yet. */
  readonly current: number;
  /** How many stay, `current` included; 1 or more. With 1, damage to the only one loses the run: 2 is the least to suggest. */
  readonly keepLast: number;
}

/** The steps whose checkpoints go. */
export function stepsToRemove(steps: readonly number[], { current, keepLast }: Retention): number[] {
  if (!Number.isSafeInteger(keepLast) || keepLast < 1) {
    throw new MaestroError('invalid-argument', `keepLast must be a whole number of 1 or more, found ${keepLast}`);
  }
  const older = steps.filter((step) => step < current).sort((a, b) => b - a);
  return older.slice(keepLast - 1);
}

/**
 * Removes old checkpoints, to be called once a new one is written. Each is taken out of the list by a rename first, so that a removal that is
 * cut short leaves no broken checkpoint.
 *
 * @returns the removed steps
 * @throws MaestroError `storage` when the file system refuses
 */
export async function retainCheckpoints(root: string, retention: Retention): Promise<number[]> {
  const steps = stepsToRemove(
    (await listCheckpoints(root)).map(({ step }) => step),
    retention,
  );
  for (const step of steps) {
    const going = join(resolve(root), passingFolder('removing', step));
    try {
      await withFolderInHand(going, async () => {
        await rename(join(root, stepFolder(step)), going);
        await rm(going, { recursive: true });
      });
    } catch (error) {
      throw storageError(error, `removing the checkpoint of step ${step} in ${root}`);
    }
  }
  return steps;
}
