import { setTimeout as delay } from 'node:timers/promises';
import { connectJobClient } from '@maestro/client';
import { isMaestroError, isTerminal, type Job, MaestroError } from '@maestro/protocol';
import { isNews, type Sighting, sight, type Timeline } from './timeline.ts';

const RETRY_MS = 100;

/** A job under observation. */
export interface JobRecord {
  /** Observations so far. */
  readonly timeline: Timeline;
  /** The job as last seen. */
  readonly job: Job | undefined;
  /**
   * Resolves with the job when it meets a condition, or met it when last seen. Rejects with `timeout`, and with `conflict` when the job has
   * ended otherwise.
   */
  until(condition: string, holds: (job: Job) => boolean, options: { readonly timeoutMs: number }): Promise<Job>;
  /** Stops watching. */
  close(): Promise<void>;
}

interface Waiter {
  readonly see: (job: Job) => void;
  readonly fail: (error: Error) => void;
}

/** Watches a job until it has ended, across restarts of the coordinator at `address`. */
export function recordJob(address: string, id: string): JobRecord {
  const timeline: Sighting[] = [];
  const waiters = new Set<Waiter>();
  const closing = new AbortController();
  let job: Job | undefined;

  const take = (next: Job): void => {
    job = next;
    const sighting = sight(next, Date.now());
    if (isNews(timeline.at(-1), sighting)) timeline.push(sighting);
    for (const waiter of waiters) waiter.see(next);
  };

  const watch = async (): Promise<void> => {
    while (!closing.signal.aborted && !(job !== undefined && isTerminal(job.state))) {
      // A new client each time: the old one's channel has an increasing reconnect back-off.
      const client = connectJobClient(address);
      try {
        for await (const next of client.watchJob(id, { signal: closing.signal })) take(next);
      } catch (error) {
        if (!isMaestroError(error, 'unavailable')) throw error;
        await delay(RETRY_MS);
      } finally {
        client.close();
      }
    }
  };
  const watched = watch().catch((error: Error) => {
    for (const waiter of waiters) waiter.fail(error);
  });

  return {
    timeline,
    get job() {
      return job;
    },
    until: (condition, holds, { timeoutMs }) =>
      new Promise((resolve, reject) => {
        const settle = (): void => {
          clearTimeout(timer);
          waiters.delete(waiter);
        };
        const waiter: Waiter = {
          see(now) {
            if (!holds(now) && !isTerminal(now.state)) return;
            settle();
            if (holds(now)) resolve(now);
            else reject(new MaestroError('conflict', `job ${id} ${now.state} before ${condition}: ${now.message}`));
          },
          fail(error) {
            settle();
            reject(error);
          },
        };
        const timer = setTimeout(() => {
          const now = job === undefined ? 'it was never seen' : `it is ${job.state} at step ${job.progress?.step ?? 0}: ${job.message}`;
          waiter.fail(new MaestroError('timeout', `job ${id}: waited ${timeoutMs / 1000} s for ${condition}; ${now}`));
        }, timeoutMs);
        waiters.add(waiter);
        if (job !== undefined) waiter.see(job);
      }),
    async close() {
      closing.abort();
      await watched;
    },
  };
}
