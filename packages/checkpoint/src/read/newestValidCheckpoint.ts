import { isMaestroError } from '@maestro/protocol';
import { isUrl } from '@maestro/storage';
import { stepFolder } from '../write/folderNames.ts';
import { cleanLeftovers } from '../write/leftovers.ts';
import { type CheckpointProblem, type CheckpointReport, describeProblems } from './checkpointReport.ts';
import { type ListedCheckpoint, listCheckpoints } from './listCheckpoints.ts';
import { type VerifyOptions, verifyCheckpoint } from './verifyCheckpoint.ts';

/** A checkpoint that is newer than the one that was taken, and what is wrong with it. */
export interface PassedOverCheckpoint extends ListedCheckpoint {
  readonly problems: readonly CheckpointProblem[];
}

/** What a search for the newest valid checkpoint gave. */
export interface NewestValidCheckpoint {
  /** Undefined when none is valid. */
  readonly checkpoint: ValidCheckpoint | undefined;
  /** Newest first; empty when the newest checkpoint was taken, or there is none at all. */
  readonly passedOver: readonly PassedOverCheckpoint[];
}

/** A checkpoint of which every byte is the one that was written. */
export interface ValidCheckpoint extends ListedCheckpoint {
  readonly checkpointHash: string;
  readonly sizeBytes: number;
}

/** What {@link newestValidCheckpoint} takes. */
export interface NewestValidOptions {
  /** Only checkpoints of earlier steps are looked at: to go on when the one at this step could not be used after all. Default: all. */
  readonly before?: number;
  readonly signal?: AbortSignal;
  /** The job in whose folder they lie: those that another job wrote are passed over. Default: any job's is taken. */
  readonly job?: string;
}

/**
 * Finds the checkpoint to resume from: the newest whose manifest, sizes and hashes verify. Newest first, and none older than the one it
 * takes is read. A checkpoint that a killed writer had moved aside for a new one of the same step is put back first.
 *
 * It reads each file that it examines twice, 1 MiB at a time, and holds the event loop for about 1 ms.
 *
 * @throws MaestroError `storage` when an object store does not answer: that is no reason to fall back
 */
export async function newestValidCheckpoint(
  root: string,
  { before = Number.POSITIVE_INFINITY, signal, job }: NewestValidOptions = {},
): Promise<NewestValidCheckpoint> {
  // Reading needs no permission to write: where nothing can be cleaned, what is there is read as it is.
  if (!isUrl(root)) await cleanLeftovers(root).catch(() => undefined);
  const passedOver: PassedOverCheckpoint[] = [];
  for (const { step, dir } of (await listCheckpoints(root)).reverse()) {
    if (step >= before) continue;
    const report = await verifyUnlessGone(dir, { signal, job });
    if (report === undefined) continue;
    if (report.valid) {
      return { checkpoint: { step, dir, checkpointHash: report.checkpointHash!, sizeBytes: report.sizeBytes! }, passedOver };
    }
    passedOver.push({ step, dir, problems: report.problems });
  }
  return { checkpoint: undefined, passedOver };
}

/**
 * What was passed over and where that leads, for a warning: "step-00000200: optimizer.safetensors has 100 bytes, the manifest says 123;
 * falling back to step-00000100". Undefined when nothing was passed over.
 */
export function describeFallback({ checkpoint, passedOver }: NewestValidCheckpoint): string | undefined {
  if (passedOver.length === 0) return undefined;
  const findings = passedOver.map(({ step, problems }) => `${stepFolder(step)}: ${describeProblems(problems)}`);
  const outcome = checkpoint === undefined ? 'no valid checkpoint is left' : `falling back to ${stepFolder(checkpoint.step)}`;
  return [...findings, outcome].join('; ');
}

/** Retention may take the oldest away while the newest are read. */
async function verifyUnlessGone(dir: string, options: VerifyOptions): Promise<CheckpointReport | undefined> {
  try {
    return await verifyCheckpoint(dir, options);
  } catch (error) {
    if (isMaestroError(error, 'not-found')) return undefined;
    throw error;
  }
}
