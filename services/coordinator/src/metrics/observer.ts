import {
  type Hello,
  isTerminal,
  type Job,
  type JobSpec,
  mostWorkers,
  type StepCommitted,
  type WorkerInfo,
  type WorkerMessage,
} from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { JobRun } from '../run/state/runState.ts';
import { type CoordinatorMetrics, openCoordinatorMetrics } from './coordinatorMetrics.ts';
import { rowOf, type StepRow } from './history.ts';
import { type HistoryFile, historyPath, openHistoryFile } from './historyFile.ts';
import { followRecovery, type Recovery } from './recovery.ts';
import { addTimes, lastTimes, type WorkerTimes } from './timeline.ts';

/** Receives the coordinator's events, without influencing it. */
export interface CoordinatorEvents {
  message(worker: Hello, message: WorkerMessage): void;
  gone(workerId: string): void;
  /** A step was committed for the first time. */
  committed(jobId: string, committed: StepCommitted): void;
  /** A committed step was recomputed, since its weights were lost. */
  recomputed(jobId: string, committed: StepCommitted): void;
  moved(before: JobRun, after: JobRun): void;
}

/** Observations of jobs: their curves, the breakdown of their steps' time, metrics. */
export interface Observer extends CoordinatorEvents {
  readonly metrics: CoordinatorMetrics;
  /** Returns the recorded rows of a job's steps, in order; none for a job that committed none. */
  history(jobId: string): Promise<readonly StepRow[]>;
  /** Returns the last `steps` steps of each member, as far as reported since the coordinator started. */
  timeline(jobId: string, steps: number): readonly WorkerTimes[];
  /** Renders the page for Prometheus. */
  page(of: {
    readonly jobs: readonly Job[];
    readonly workers: readonly WorkerInfo[];
    readonly unwrittenSteps: (jobId: string) => number;
    readonly spec: (jobId: string) => JobSpec;
  }): Promise<string>;
  close(): Promise<void>;
}

/** Number of ended jobs kept in memory completely; curves of older ones are read from disk. */
const KEPT_ENDED = 8;

/** Observations of one job. */
interface Observed {
  readonly history: HistoryFile;
  timeline: ReadonlyMap<string, WorkerTimes>;
  recovery: Recovery | undefined;
  /** When it first ran under this coordinator, and the total duration of the steps committed since. */
  runningSinceMs: number | undefined;
  usefulSeconds: number;
}

/** Opens an observer that keeps its files below `dataDir`. */
export function openObserver({
  dataDir,
  log,
  now = Date.now,
}: {
  readonly dataDir: string;
  readonly log: Logger;
  readonly now?: () => number;
}): Observer {
  const metrics = openCoordinatorMetrics();
  const jobs = new Map<string, Observed>();
  const heartbeats = new Map<string, number>();
  const ended: string[] = [];

  const open = (jobId: string): HistoryFile => openHistoryFile(historyPath(dataDir, jobId), { log });
  const observed = (jobId: string): Observed => {
    const known = jobs.get(jobId);
    if (known !== undefined) return known;
    const opened = { history: open(jobId), timeline: new Map(), recovery: undefined, runningSinceMs: undefined, usefulSeconds: 0 };
    jobs.set(jobId, opened);
    return opened;
  };

  return {
    metrics,
    message(worker, message) {
      if (message.kind === 'heartbeat') {
        const nowMs = performance.now();
        const beforeMs = heartbeats.get(worker.id);
        heartbeats.set(worker.id, nowMs);
        if (beforeMs !== undefined) metrics.heartbeat((nowMs - beforeMs) / 1000);
      } else if (message.kind === 'metrics') {
        metrics.worker(worker.id, worker.name, message.familiesJson);
      } else if (message.kind === 'timed') {
        const job = jobs.get(message.jobId);
        if (job !== undefined && message.steps.length > 0) job.timeline = addTimes(job.timeline, worker, message);
      }
    },
    gone(workerId) {
      metrics.forget(workerId);
      heartbeats.delete(workerId);
    },
    committed(jobId, committed) {
      const job = observed(jobId);
      job.usefulSeconds += committed.stepSeconds;
      job.history.add(rowOf(committed, now()));
      metrics.committed(committed);
    },
    recomputed(jobId, committed) {
      observed(jobId).history.add(rowOf(committed, now()));
      metrics.redone();
    },
    moved(before, after) {
      const { id } = after.facts;
      // Thousands may be queued; there is nothing to record of them.
      if (before.phase === 'queued' && after.phase === 'queued' && !jobs.has(id)) return;
      const nowMs = now();
      const job = observed(id);
      const { recovery, ended: part } = followRecovery(job.recovery, before, after, nowMs);
      job.recovery = recovery;
      if (part !== undefined) metrics.recovery(part.phase, part.seconds);
      if (after.phase === 'running') job.runningSinceMs ??= nowMs - 1000 * job.usefulSeconds;
      if (after.phase === 'queued' || after.phase === 'paused') Object.assign(job, { runningSinceMs: undefined, usefulSeconds: 0 });
      if (after.phase === 'ended' && before.phase !== 'ended') {
        ended.push(id);
        for (const old of ended.splice(0, ended.length - KEPT_ENDED))
          void jobs
            .get(old)
            ?.history.flush()
            .then(() => jobs.delete(old));
      }
    },
    history: (jobId) => (jobs.get(jobId)?.history ?? open(jobId)).rows(),
    timeline: (jobId, steps) => lastTimes(jobs.get(jobId)?.timeline ?? new Map(), steps),
    page({ jobs: all, workers, unwrittenSteps, spec }) {
      const nowMs = now();
      const active = all.filter(({ state }) => !isTerminal(state));
      return metrics.print({
        workers,
        jobs: active.map((job) => {
          const { runningSinceMs, usefulSeconds } = jobs.get(job.id) ?? { runningSinceMs: undefined, usefulSeconds: 0 };
          const elapsedSeconds = runningSinceMs === undefined ? 0 : (nowMs - runningSinceMs) / 1000;
          const goodput = elapsedSeconds > 0 && usefulSeconds > 0 ? Math.min(1, usefulSeconds / elapsedSeconds) : undefined;
          const { device } = spec(job.id).resources;
          return { job, unwrittenSteps: unwrittenSteps(job.id), goodput, wants: { device, workers: mostWorkers(spec(job.id)) } };
        }),
      });
    },
    async close() {
      metrics.close();
      await Promise.all([...jobs.values()].map(({ history }) => history.flush()));
    },
  };
}
