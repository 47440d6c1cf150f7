import type { JobSpec } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { TimedCheckpoint } from '../checkpoint/checkpointer.ts';
import type { WorkerOptions } from '../process/workerOptions.ts';

/** Options of opening a job's session, besides the worker's. */
export interface JobSessionOptions extends WorkerOptions {
  readonly jobId: string;
  readonly spec: JobSpec;
  readonly logger: Logger;
  readonly onCheckpoint: (
    checkpoint: { readonly step: number; readonly path: string; readonly hash: string },
    cost: Pick<TimedCheckpoint, 'stallSeconds' | 'writeSeconds'>,
  ) => void;
  readonly onCheckpointFailed: (step: number, error: unknown) => void;
  /** Called when a snapshot that was offered to others is lost. */
  readonly onSnapshotLost: () => void;
  /** Called with the current stage of opening, in a few words. */
  readonly onStage: (stage: string) => void;
  readonly signal: AbortSignal;
}
