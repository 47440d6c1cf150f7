import { errorMessage, type Job } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { JobRecords } from '../books/jobRecords.ts';
import type { Store } from '../books/store.ts';
import { readJob, readRun } from '../books/storedShapes.ts';
import type { ActiveJob } from '../run/activeJob.ts';
import type { JobRun } from '../run/state/runState.ts';
import type { RestoredJob } from './restoreJobs.ts';

/** Default of `MAESTRO_KEEP_JOBS`: ended jobs kept in memory. */
export const DEFAULT_KEEP_JOBS = 1000;

/** Decides which ended jobs stay in memory, and reads the others from disk on request by id. */
export interface RetiredJobs {
  /** Called when a job has ended, and all of it is persisted: those that ended first may then be retired. Idempotent. Never rejects. */
  ended(jobId: string): Promise<void>;
  /** Returns a retired job that was requested recently. */
  get(jobId: string): ActiveJob | undefined;
  /** Reads a retired job from disk unless it is in memory; undefined when there is none with this id. */
  recall(jobId: string): Promise<ActiveJob | undefined>;
  /** Stops retiring jobs. */
  close(): void;
}

/** Options of {@link createRetiredJobs}. */
export interface RetiredJobsOptions {
  /** All jobs in memory; retired ones are removed. */
  readonly jobs: Map<string, ActiveJob>;
  readonly store: Pick<Store, 'removeJob'>;
  readonly records: Pick<JobRecords, 'retire' | 'recall'>;
  /** Number of ended jobs kept in memory: those that ended last. */
  readonly keepJobs: number;
  /** Restores a job from its record, without adding it to `jobs`. */
  readonly restore: (job: Job, run: JobRun | undefined) => Promise<RestoredJob>;
  readonly open: (restored: RestoredJob) => ActiveJob;
  readonly log: Logger;
}

/** Number of requested retired jobs kept in memory. */
const MOST_RECALLED = 64;

/**
 * Limits the ended jobs to `keepJobs`. A retired job leaves memory and Redis; its record, ledger, checkpoints, logs and curves stay on
 * disk.
 */
export function createRetiredJobs({ jobs, store, records, keepJobs, restore, open, log }: RetiredJobsOptions): RetiredJobs {
  /** In the order in which they ended. */
  const kept = new Set<string>();
  const recalled = new Map<string, ActiveJob>();
  let isRetiring = false;
  let isClosed = false;

  /** Returns false when it has to stay for now. */
  const retire = async (id: string): Promise<boolean> => {
    const active = jobs.get(id);
    if (active === undefined) return true;
    if (active.isBooked || !(await records.retire(active.job, active.run))) return false;
    await store.removeJob(id);
    jobs.delete(id);
    log.info({ job: id, kept: keepJobs }, 'job retired: its record is on disk');
    return true;
  };

  return {
    async ended(jobId) {
      kept.add(jobId);
      if (isRetiring) return;
      isRetiring = true;
      try {
        for (const id of kept) {
          // A job that is still being written is retried when the next one ends.
          if (isClosed || kept.size <= keepJobs || !(await retire(id))) return;
          kept.delete(id);
        }
      } catch (error) {
        log.warn({ reason: errorMessage(error) }, 'a job could not be retired; it is tried again when the next one ends');
      } finally {
        isRetiring = false;
      }
    },
    get: (jobId) => recalled.get(jobId),
    close() {
      isClosed = true;
    },
    async recall(jobId) {
      const known = recalled.get(jobId);
      if (known !== undefined) return known;
      const found = await records.recall(jobId);
      if (found === undefined || jobs.has(jobId)) return undefined;
      const problem = [readJob(jobId, found.job), ...(found.run === undefined ? [] : [readRun(jobId, found.run)])].find(
        (read) => 'problem' in read,
      );
      if (problem !== undefined) {
        log.error({ job: jobId, ...problem }, 'the record of a retired job cannot be read');
        return undefined;
      }
      const active = open(await restore(found.job, found.run as JobRun | undefined));
      recalled.set(jobId, active);
      const [oldest] = recalled.keys();
      if (recalled.size > MOST_RECALLED) recalled.delete(oldest!);
      return active;
    },
  };
}
