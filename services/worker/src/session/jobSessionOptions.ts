import type { JobSpec } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { TimedCheckpoint } from '../checkpoint/checkpointer.ts';
import type { WorkerOptions } from '../process/workerOptions.ts';

/** What opening a job's session takes beside the worker's options. */
export interface JobSessionOptions extends WorkerOptions {
  readonly jobId: string;
  readonly spec: JobSpec;
  readonly logger: Logger;
  readonly onCheckpoint: (
    checkpoint: { readonly step: number; readonly path: string; readonly hash: string },
    cost: Pick<TimedCheckpoint, 'stallSeconds' | 'writeSeconds'>,
  ) => void;
  readonly onCheckpointFailed: (step: number, error: unknown) => void;
  /** Told when a snapshot is lost that was offered to others. */
  readonly onSnapshotLost: () => void;
  /** Told at what opening is, in a few words. */
  readonly onStage: (stage: string) => void;
  readonly signal: AbortSignal;
}
