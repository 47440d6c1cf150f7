import { errorMessage, type Job } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { JobRecords } from '../books/jobRecords.ts';
import type { Store } from '../books/store.ts';
import { readJob, readRun } from '../books/storedShapes.ts';
import type { ActiveJob } from '../run/activeJob.ts';
import type { JobRun } from '../run/state/runState.ts';
import type { RestoredJob } from './restoreJobs.ts';

/** Jobs that have ended and are kept at hand, unless `MAESTRO_KEEP_JOBS` says otherwise. */
export const DEFAULT_KEEP_JOBS = 1000;

/** Which jobs that have ended are kept at hand, and the others, which are read from disk for whoever asks for them by their id. */
export interface RetiredJobs {
  /**
   * A job has ended, and all of it is persisted: those that ended first may be retired. Told again of a job, it does nothing. It never
   * rejects.
   */
  ended(jobId: string): Promise<void>;
  /** A retired job that was asked for lately. */
  get(jobId: string): ActiveJob | undefined;
  /** Reads a retired job from disk unless it is at hand; undefined when there is none by this id. */
  recall(jobId: string): Promise<ActiveJob | undefined>;
  /** No other is retired any more. */
  close(): void;
}

/** What retirement needs of its coordinator. */
export interface RetiredJobsOptions {
  /** All jobs at hand; those that are retired are removed. */
  readonly jobs: Map<string, ActiveJob>;
  readonly store: Pick<Store, 'removeJob'>;
  readonly records: Pick<JobRecords, 'retire' | 'recall'>;
  /** So many jobs that have ended are kept at hand: those that ended last. */
  readonly keepJobs: number;
  /** Makes a job of its record, which is not put among `jobs`. */
  readonly restore: (job: Job, run: JobRun | undefined) => Promise<RestoredJob>;
  readonly open: (restored: RestoredJob) => ActiveJob;
  readonly log: Logger;
}

/** Retired jobs that were asked for and are kept at hand. */
const MOST_RECALLED = 64;

/**
 * Keeps the jobs that have ended to `keepJobs`. What is retired leaves memory and Redis; its record, ledger, checkpoints, logs and curves
 * stay on disk.
 */
export function createRetiredJobs({ jobs, store, records, keepJobs, restore, open, log }: RetiredJobsOptions): RetiredJobs {
  /** In the order in which they ended. */
  const kept = new Set<string>();
  const recalled = new Map<string, ActiveJob>();
  let isRetiring = false;
  let isClosed = false;

  /** False when it has to stay for now. */
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
          // One that is still being written is tried again when the next one ends.
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
