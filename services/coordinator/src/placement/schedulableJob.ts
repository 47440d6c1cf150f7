import type { WorkerRef } from '../run/view/assignRanks.ts';
import { effectivePriority } from './effectivePriority.ts';

/** A worker that can be given to a job. */
export interface FreeWorker extends WorkerRef {
  readonly device: string;
}

/** A job that waits for workers, or works with some. */
export interface SchedulableJob {
  readonly id: string;
  /** As in its job file; reasons name it where it is given. */
  readonly name?: string;
  /** As in its job file; only a job with a higher one may have this one paused. */
  readonly priority: number;
  /** What decides whose turn it is: see {@link effectivePriority}. */
  readonly rank: number;
  readonly minWorkers: number;
  readonly maxWorkers: number;
  readonly device: string;
  /** Whether workers of other devices will do where those of its own are not enough. */
  readonly allowsMixed?: boolean;
  readonly isStarted: boolean;
  /** Workers that it has and keeps, those included that are out of reach for a moment. */
  readonly present: number;
  /** Those of them that can be given to another job. */
  readonly workers: readonly FreeWorker[];
  /** It has had too few workers for so long that it should not keep those that it has. */
  readonly isStuck: boolean;
  /** Whether it has committed a step of its own. Default true. */
  readonly hasStood?: boolean;
  /** Whether the job does not take this worker. */
  readonly isRefused?: (workerId: string) => boolean;
}
