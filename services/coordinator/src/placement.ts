import type { WorkerRef } from './assignRanks.ts';

/** A job that waits for workers, or takes more. */
export interface WaitingJob {
  readonly id: string;
  readonly minWorkers: number;
  readonly maxWorkers: number;
  readonly device: string;
  /** It runs already: it gets what those that wait have left over, and holds nobody back. */
  readonly isStarted?: boolean;
  /** Whether the job does not take this worker. */
  readonly isRefused?: (workerId: string) => boolean;
}

/** A worker without a job. */
export interface FreeWorker extends WorkerRef {
  readonly device: string;
}

/** What happens to a waiting job now: it gets `workers`, or none; `reason` says why in a sentence. */
export interface Placement {
  readonly jobId: string;
  readonly workers: readonly FreeWorker[];
  readonly reason: string;
}

/**
 * Decides which waiting jobs start: in order of submission, each with as many free workers of its device as it may use.
 * A job that lacks workers holds back those behind it that want the same device, so that large jobs are not starved by small ones.
 * Jobs that run take more workers only when none waits for them.
 */
export function placeJobs(waiting: readonly WaitingJob[], free: readonly FreeWorker[]): Placement[] {
  const left = [...free].sort((a, b) => (a.name < b.name ? -1 : 1));
  const blockedBy = new Map<string, string>();
  const inTurn = [...waiting.filter(({ isStarted }) => isStarted !== true), ...waiting.filter(({ isStarted }) => isStarted === true)];
  return inTurn.map(({ id, minWorkers, maxWorkers, device, isStarted = false, isRefused = () => false }) => {
    const ahead = blockedBy.get(device);
    if (ahead !== undefined) return { jobId: id, workers: [], reason: `waiting: behind ${ahead}` };
    const usable = left.filter((worker) => worker.device === device && !isRefused(worker.id));
    if (usable.length < minWorkers) {
      if (!isStarted) blockedBy.set(device, id);
      return {
        jobId: id,
        workers: [],
        reason: `waiting: needs ${minWorkers} ${device} worker${minWorkers === 1 ? '' : 's'}, ${usable.length} free`,
      };
    }
    const workers = usable.slice(0, maxWorkers);
    for (const worker of workers) left.splice(left.indexOf(worker), 1);
    return { jobId: id, workers, reason: `placed on ${workers.map((worker) => worker.name).join(', ')}` };
  });
}
