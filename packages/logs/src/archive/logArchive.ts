import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MaestroError } from '@maestro/protocol';
import type { RedisConnection } from '@maestro/redis';
import type { Logger } from '@maestro/telemetry';
import { type JobLog, type JobLogBounds, openJobLog } from '../stream/jobLog.ts';
import { openJournal } from '../stream/journal.ts';
import { CLUSTER, type LogLine } from '../stream/logLine.ts';
import { startArchiver } from './archiver.ts';

/** Called with lines as they are archived. */
export type LinesListener = (job: string, lines: readonly LogLine[]) => void;

/** All lines, by job, for as long as they are retained. */
export interface LogArchive {
  /** Lists the jobs that have lines, including {@link CLUSTER}. */
  jobs(): Promise<string[]>;
  /** Opens the lines of a job; empty when there are none yet. */
  open(job: string): Promise<JobLog>;
  /** Calls `listener` with each job's new lines; returns a function that stops it. */
  listen(listener: LinesListener): () => void;
  /** Resolves when the job has a line after the first `end`, or `signal` aborts. */
  waitForMore(job: string, end: number, signal: AbortSignal): Promise<void>;
  /** Resolves when everything in Redis at this point is archived, or with false after `timeoutMs`. */
  caughtUp(timeoutMs: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Options of {@link openLogArchive}. */
export interface LogArchiveOptions extends JobLogBounds {
  /** The coordinator's data folder: a job's lines are in `jobs/<job>/logs`, those of no job in `cluster/logs`. */
  readonly dataDir: string;
  /** A separate connection: reading blocks for lines. */
  readonly redis: RedisConnection;
  readonly requireLease?: () => Promise<void>;
  readonly log: Logger;
}

/** Opens the archive, and starts to read lines from Redis. */
export async function openLogArchive({
  dataDir,
  redis,
  requireLease = async () => undefined,
  log,
  ...bounds
}: LogArchiveOptions): Promise<LogArchive> {
  const { journal, state } = await openJournal(join(dataDir, 'cluster', 'logs.journal'));
  const folderOf = (job: string): string => (job === CLUSTER ? join(dataDir, 'cluster', 'logs') : join(dataDir, 'jobs', job, 'logs'));
  const opened = new Map<string, Promise<JobLog>>();
  const listeners = new Set<LinesListener>();

  const open = (job: string): Promise<JobLog> => {
    let log = opened.get(job);
    if (log === undefined) {
      log = openJobLog(folderOf(job), state.jobs[job], bounds);
      opened.set(job, log);
      log.catch(() => opened.delete(job));
    }
    return log;
  };
  const archiver = startArchiver({
    redis,
    journal,
    state,
    openJob: open,
    requireLease,
    onLines: (job, lines) => {
      for (const listener of listeners) listener(job, lines);
    },
    log,
  });
  const listen = (listener: LinesListener): (() => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };

  return {
    async jobs() {
      const folders = await readdir(join(dataDir, 'jobs')).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return [];
        throw new MaestroError('storage', `logs: ${error.message}`, { cause: error });
      });
      return [...new Set([CLUSTER, ...folders.filter((name) => name.startsWith('job-')), ...opened.keys()])];
    },
    open,
    listen,
    async waitForMore(job, end, signal) {
      const jobLog = await open(job);
      if (jobLog.end > end || signal.aborted) return;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          stop();
          signal.removeEventListener('abort', done);
          resolve();
        };
        const stop = listen((of) => {
          if (of === job) done();
        });
        signal.addEventListener('abort', done, { once: true });
      });
    },
    caughtUp: archiver.caughtUp,
    async close() {
      await archiver.close();
      for (const log of opened.values()) await (await log).close();
      await journal.close();
    },
  };
}
