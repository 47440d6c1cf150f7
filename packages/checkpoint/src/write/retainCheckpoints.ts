import { rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MaestroError } from '@maestro/protocol';
import { isUrl, storageError } from '@maestro/storage';
import { beginExamination } from '../read/checkpointReport.ts';
import { type ListedCheckpoint, listCheckpoints } from '../read/listCheckpoints.ts';
import { readCheckpointState } from '../read/readCheckpoint.ts';
import { passingFolder, stepFolder } from './folderNames.ts';
import { withFolderInHand } from './leftovers.ts';
import { removeObjects } from './writeObjects.ts';

/** Retention rules: a checkpoint stays when any of them keeps it. */
export interface Retention {
  /** The step just written; it stays, and so do newer ones: only a run that went back has those, and they may still be wanted. */
  readonly current: number;
  /**
   * Number of newest checkpoints to keep, `current` included; at least 1. With 1, damage to the only one loses the run: suggest at least 2.
   */
  readonly keepLast: number;
  /** Also keeps the first checkpoint at or after each multiple of this many steps. Default: off. */
  readonly keepEverySteps?: number | undefined;
  /** Also keeps this many with the lowest loss, preferring the newer of equals. A checkpoint without a loss does not qualify. Default 0. */
  readonly keepBest?: number | undefined;
}

/** A checkpoint as retention sees it. */
export interface RetainedCheckpoint {
  readonly step: number;
  /** `loss` of its `state.json`: the loss of the last step before it was written. */
  readonly loss?: number | undefined;
}

/** Returns the steps whose checkpoints are to be removed, newest first. */
export function stepsToRemove(checkpoints: readonly RetainedCheckpoint[], retention: Retention): number[] {
  const { current, keepLast, keepEverySteps, keepBest = 0 } = retention;
  requireCount('keepLast', keepLast, 1);
  requireCount('keepEverySteps', keepEverySteps ?? 1, 1);
  requireCount('keepBest', keepBest, 0);
  const older = checkpoints.filter(({ step }) => step < current).sort((a, b) => b.step - a.step);
  const kept = new Set(older.slice(0, keepLast - 1).map(({ step }) => step));
  if (keepEverySteps !== undefined) {
    const firsts = new Map(older.map(({ step }) => [Math.floor(step / keepEverySteps), step])); // The last per key is the oldest.
    firsts.delete(0);
    for (const step of firsts.values()) kept.add(step);
  }
  const ranked = checkpoints.filter(({ step, loss }) => step <= current && loss !== undefined && Number.isFinite(loss));
  ranked.sort((a, b) => a.loss! - b.loss! || b.step - a.step);
  for (const { step } of ranked.slice(0, keepBest)) kept.add(step);
  return older.map(({ step }) => step).filter((step) => !kept.has(step));
}

/**
 * Removes old checkpoints; call it after a new one is written. Each is first unlisted, by a rename or by removing its manifest, so that an
 * interrupted removal leaves no broken checkpoint. If none of the remaining ones looks whole (manifest and sizes), the newest removable one
 * that does is kept as well.
 *
 * @returns the removed steps, newest first
 * @throws MaestroError `storage` when the file system refuses
 */
export async function retainCheckpoints(root: string, retention: Retention): Promise<number[]> {
  const listed = await listCheckpoints(root);
  const isRanked = (retention.keepBest ?? 0) > 0;
  const checkpoints = await Promise.all(listed.map(async ({ step, dir }) => ({ step, loss: isRanked ? await lossOf(dir) : undefined })));
  const candidates = new Set(stepsToRemove(checkpoints, retention));
  const going = listed.filter(({ step }) => candidates.has(step)).reverse();
  if (going.length > 0 && (await firstWhole(listed.filter(({ step }) => !candidates.has(step)).reverse())) === undefined) {
    const spared = await firstWhole(going);
    if (spared !== undefined) going.splice(going.indexOf(spared), 1);
  }
  for (const { step, dir } of going) {
    if (isUrl(root)) {
      await removeObjects(dir);
      continue;
    }
    const passing = join(resolve(root), passingFolder('removing', step));
    try {
      await withFolderInHand(passing, async () => {
        await rename(join(root, stepFolder(step)), passing);
        await rm(passing, { recursive: true });
      });
    } catch (error) {
      throw storageError(error, `removing the checkpoint of step ${step} in ${root}`);
    }
  }
  return going.map(({ step }) => step);
}

/** Returns the first whose manifest is sound and whose files have the right sizes. */
async function firstWhole(checkpoints: readonly ListedCheckpoint[]): Promise<ListedCheckpoint | undefined> {
  for (const checkpoint of checkpoints) {
    const { problems } = await beginExamination(checkpoint.dir);
    if (problems.length === 0) return checkpoint;
  }
  return undefined;
}

/** Reads the loss from a checkpoint's state; an unreadable one has none, and is left for verification to judge. */
async function lossOf(dir: string): Promise<number | undefined> {
  try {
    const { loss } = await readCheckpointState(dir);
    return typeof loss === 'number' ? loss : undefined;
  } catch {
    return undefined;
  }
}

function requireCount(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new MaestroError('invalid-argument', `${name} must be a whole number of ${least} or more, found ${value}`);
}
