import { isMaestroError, type MaestroError } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { pause } from '../process/signals.ts';
import { retryDelayMs } from './checkpointRules.ts';

/** So long somebody may take to make room on a disk, in milliseconds: the job has nothing left to do but this. */
const PATIENCE_MS = 15 * 60_000;
/** Between two signs of life meanwhile. */
const SIGN_MS = 1000;

/** What {@link writeLastCheckpoint} needs. */
export interface LastCheckpointOptions {
  /** Writes it before it returns, or throws `storage`. */
  readonly write: () => Promise<void>;
  /** Told of each attempt that failed. */
  readonly onFailed: (error: MaestroError) => void;
  /** Called while it waits, so that nobody takes it for hung. */
  readonly onWaiting: () => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** How long it is tried. Default 15 minutes. */
  readonly patienceMs?: number;
  /** How long to wait after so many failures. Default as for all checkpoints: 5 s, doubling to 60 s. */
  readonly delayMs?: (failures: number) => number;
}

/**
 * Writes the checkpoint that a job is for. A disk that refuses it is asked again and again while the job waits.
 * @throws MaestroError `storage` of the last attempt; the signal's reason.
 */
export async function writeLastCheckpoint({
  write,
  onFailed,
  onWaiting,
  logger,
  signal,
  patienceMs = PATIENCE_MS,
  delayMs = retryDelayMs,
}: LastCheckpointOptions): Promise<void> {
  const beganMs = performance.now();
  for (let failures = 1; ; failures++) {
    try {
      return await write();
    } catch (error) {
      if (!isMaestroError(error, 'storage')) throw error;
      const waitMs = delayMs(failures);
      const leftMs = patienceMs - (performance.now() - beganMs);
      if (waitMs > leftMs) throw error;
      logger.error(
        { error, failures, retryAfterSeconds: waitMs / 1000, leftSeconds: Math.round(leftMs / 1000) },
        'last checkpoint failed, the job waits for the disk',
      );
      onFailed(error);
      for (let left = waitMs; left > 0; left -= SIGN_MS) {
        onWaiting();
        await pause(Math.min(left, SIGN_MS), signal);
        signal.throwIfAborted();
      }
    }
  }
}
