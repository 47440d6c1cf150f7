import { isMaestroError } from '@maestro/protocol';
import { isUrl } from '@maestro/storage';
import { stepFolder } from '../write/folderNames.ts';
import { cleanLeftovers } from '../write/leftovers.ts';
import { type CheckpointProblem, type CheckpointReport, describeProblems } from './checkpointReport.ts';
import { type ListedCheckpoint, listCheckpoints } from './listCheckpoints.ts';
import { type VerifyOptions, verifyCheckpoint } from './verifyCheckpoint.ts';

/** A checkpoint newer than the chosen one, and its problems. */
export interface PassedOverCheckpoint extends ListedCheckpoint {
  readonly problems: readonly CheckpointProblem[];
}

/** Result of {@link newestValidCheckpoint}. */
export interface NewestValidCheckpoint {
  /** Undefined when none is valid. */
  readonly checkpoint: ValidCheckpoint | undefined;
  /** Newest first; empty when the newest checkpoint was chosen, or there is none at all. */
  readonly passedOver: readonly PassedOverCheckpoint[];
}

/** A checkpoint whose bytes are all as they were written. */
export interface ValidCheckpoint extends ListedCheckpoint {
  readonly checkpointHash: string;
  readonly sizeBytes: number;
}

/** Options of {@link newestValidCheckpoint}. */
export interface NewestValidOptions {
  /** Considers only checkpoints of earlier steps: to continue when the one at this step turned out unusable. Default: all. */
  readonly before?: number;
  readonly signal?: AbortSignal;
  /** The job whose folder it is: checkpoints of other jobs are passed over. Default: accepts any job's. */
  readonly job?: string;
}

/**
 * Finds the checkpoint to resume from: the newest whose manifest, sizes and hashes verify. Searches newest first and reads none older than
 * the one it returns. First restores a checkpoint that a killed writer had moved aside for a new one of the same step.
 *
 * Reads each examined file twice, 1 MiB at a time, and blocks the event loop for about 1 ms.
 *
 * @throws MaestroError `storage` when an object store does not answer: that is no reason to fall back
 */
export async function newestValidCheckpoint(
  root: string,
  { before = Number.POSITIVE_INFINITY, signal, job }: NewestValidOptions = {},
): Promise<NewestValidCheckpoint> {
  // Reading needs no write permission: when nothing can be cleaned, read what exists.
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
 * Describes what was passed over and the outcome, for a warning: "step-00000200: optimizer.safetensors has 100 bytes, the manifest says
 * 123; falling back to step-00000100". Undefined when nothing was passed over.
 */
export function describeFallback({ checkpoint, passedOver }: NewestValidCheckpoint): string | undefined {
  if (passedOver.length === 0) return undefined;
  const findings = passedOver.map(({ step, problems }) => `${stepFolder(step)}: ${describeProblems(problems)}`);
  const outcome = checkpoint === undefined ? 'no valid checkpoint is left' : `falling back to ${stepFolder(checkpoint.step)}`;
  return [...findings, outcome].join('; ');
}

/** Retention may remove the oldest while the newest are read. */
async function verifyUnlessGone(dir: string, options: VerifyOptions): Promise<CheckpointReport | undefined> {
  try {
    return await verifyCheckpoint(dir, options);
  } catch (error) {
    if (isMaestroError(error, 'not-found')) return undefined;
    throw error;
  }
}
