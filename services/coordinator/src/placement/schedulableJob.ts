import { OPERATORS_VERSION } from '@maestro/native/operators';
import type { JobSpec } from '@maestro/protocol';
import type { WorkerRef } from '../run/view/assignRanks.ts';
import { effectivePriority } from './effectivePriority.ts';

/** A worker that can be given to a job. */
export interface FreeWorker extends WorkerRef {
  readonly device: string;
  /** Version of its native operators; 0 or absent without. */
  readonly operators?: number;
  /** The instruction set that they use, or why there are none. */
  readonly kernels?: string;
}

/** What of a job decides who can compute for it. */
type Demand = Pick<SchedulableJob, 'device' | 'operators' | 'allowsMixed'>;

/** Returns true for a worker that has what a job computes with. */
export function canCompute({ device, operators, allowsMixed = false }: Demand, worker: Pick<FreeWorker, 'device' | 'operators'>): boolean {
  return (worker.device === device || allowsMixed) && (operators === undefined || worker.operators === operators);
}

/** Returns true for a worker that can compute for a job, and is not refused by it. */
export function isFit(job: Demand & Pick<SchedulableJob, 'isRefused'>, worker: FreeWorker): boolean {
  return canCompute(job, worker) && job.isRefused?.(worker.id) !== true;
}

/** Returns what a job file demands of its workers. */
export function demandOf({ precision, resources: { device, allowMixedDevices } }: JobSpec): Demand {
  const isNative = precision !== 'standard' && precision !== 'auto';
  return { device, allowsMixed: allowMixedDevices, ...(isNative && { operators: OPERATORS_VERSION }) };
}

/** A job that waits for workers, or has some. */
export interface SchedulableJob {
  readonly id: string;
  /** From its job file; reasons mention it when present. */
  readonly name?: string;
  /** From its job file; only a job with a higher one may have this one paused. */
  readonly priority: number;
  /** Decides whose turn it is: see {@link effectivePriority}. */
  readonly rank: number;
  readonly minWorkers: number;
  readonly maxWorkers: number;
  readonly device: string;
  /** The version of native operators that its workers must have; absent when it needs none. */
  readonly operators?: number;
  /** True when workers of other devices are acceptable if its own are not enough. */
  readonly allowsMixed?: boolean;
  readonly isStarted: boolean;
  /** Number of workers that it has and keeps, including temporarily unreachable ones. */
  readonly present: number;
  /** Workers of the job that can be given to another job. */
  readonly workers: readonly FreeWorker[];
  /** True when it has had too few workers for so long that it should not keep them. */
  readonly isStuck: boolean;
  /** True when it has committed a step of its own. Default true. */
  readonly hasStood?: boolean;
  /** Returns true when the job does not accept this worker. */
  readonly isRefused?: (workerId: string) => boolean;
}
