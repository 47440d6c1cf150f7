import { isMaestroError, type MaestroError } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { pause } from '../process/signals.ts';
import { retryDelayMs } from './checkpointRules.ts';

/** Time that somebody has to make room on a disk, in milliseconds: the job has nothing left to do but this. */
const PATIENCE_MS = 15 * 60_000;
/** Interval between signs of life meanwhile. */
const SIGN_MS = 1000;

/** Options of {@link writeLastCheckpoint}. */
export interface LastCheckpointOptions {
  /** Writes it before it resolves, or throws `storage`. */
  readonly write: () => Promise<void>;
  /** Called for each failed attempt. */
  readonly onFailed: (error: MaestroError) => void;
  /** Called while it waits, so that the member does not seem to hang. */
  readonly onWaiting: () => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Time for which it is retried. Default 15 minutes. */
  readonly patienceMs?: number;
  /** Returns the back-off after this many failures. Default as for all checkpoints: 5 s, doubling to 60 s. */
  readonly delayMs?: (failures: number) => number;
}

/**
 * Writes the final checkpoint of a job. Retries when the disk refuses it, while the job waits.
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
