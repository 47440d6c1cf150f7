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

/** Is told what happens in the coordinator, and changes nothing of it. */
export interface CoordinatorEvents {
  message(worker: Hello, message: WorkerMessage): void;
  gone(workerId: string): void;
  /** A step counts that did not before. */
  committed(jobId: string, committed: StepCommitted): void;
  /** A step that counts already was computed once more, since its weights were lost. */
  recomputed(jobId: string, committed: StepCommitted): void;
  moved(before: JobRun, after: JobRun): void;
}

/** What has been observed of jobs: their curves, where their steps' time goes, metrics. */
export interface Observer extends CoordinatorEvents {
  readonly metrics: CoordinatorMetrics;
  /** What is kept of a job's steps, in their order; none for a job that committed none. */
  history(jobId: string): Promise<readonly StepRow[]>;
  /** The last `steps` steps of each member, as far as they were told since the coordinator started. */
  timeline(jobId: string, steps: number): readonly WorkerTimes[];
  /** The page that Prometheus reads. */
  page(of: {
    readonly jobs: readonly Job[];
    readonly workers: readonly WorkerInfo[];
    readonly unwrittenSteps: (jobId: string) => number;
    readonly spec: (jobId: string) => JobSpec;
  }): Promise<string>;
  close(): Promise<void>;
}

/** Jobs that have ended of which all is kept at hand; of older ones the curves are read from disk. */
const KEPT_ENDED = 8;

/** What is known of one job. */
interface Observed {
  readonly history: HistoryFile;
  timeline: ReadonlyMap<string, WorkerTimes>;
  recovery: Recovery | undefined;
  /** When it was running first under this coordinator, and how long the steps took that counted since. */
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
      // Thousands may wait, of which there is nothing to keep.
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
