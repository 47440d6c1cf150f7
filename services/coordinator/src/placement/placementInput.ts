import { mostWorkers } from '@maestro/protocol';
import { type JobRun, refusalOf, stayingWorkers } from '../run/state/runState.ts';
import { type Caution, hasStood } from './caution.ts';
import { effectivePriority } from './effectivePriority.ts';
import type { PlacementInput } from './placement.ts';
import { demandOf, type FreeWorker, type SchedulableJob } from './schedulableJob.ts';

/** A connected worker; `jobId` is empty while it has no job. */
export interface PlaceableWorker {
  readonly hello: FreeWorker;
  readonly jobId: string;
  /** True when it gets no more jobs. */
  readonly isDrained: boolean;
}

/** Situation to decide on. */
export interface PlacementSituation {
  /** In order of submission. */
  readonly runs: readonly JobRun[];
  readonly workers: readonly PlaceableWorker[];
  readonly nowMs: number;
  /** Silence after which a worker counts as lost. */
  readonly silenceMs: number;
  /** Start time of the coordinator. */
  readonly startedMs: number;
  readonly caution?: Caution | undefined;
}

/** Number of failure timeouts after which a job that lacks workers no longer keeps the rest. */
const STUCK_TIMEOUTS = 6;

/** Builds the input of `placeJobs` from runs and connected workers. */
export function placementInput({ runs: all, workers, nowMs, silenceMs, startedMs, caution }: PlacementSituation): PlacementInput {
  const runs = all.filter(({ phase }) => phase !== 'ended' && phase !== 'paused');
  const staying = new Map(
    runs.flatMap((run) => (run.workers.length === 0 ? [] : [[run.facts.id, new Set(stayingWorkers(run).map(({ id }) => id))] as const])),
  );
  const workersOf = new Map<string, FreeWorker[]>();
  const free: FreeWorker[] = [];
  const leaving: FreeWorker[] = [];
  for (const { hello, jobId, isDrained } of workers) {
    if (isDrained) continue;
    if (jobId === '') free.push(hello);
    else if (staying.get(jobId)?.has(hello.id) !== true) leaving.push(hello);
    else workersOf.set(jobId, [...(workersOf.get(jobId) ?? []), hello]);
  }
  const schedulable = (run: JobRun): SchedulableJob => {
    const { id, spec } = run.facts;
    const { priority } = spec;
    const isStarted = run.phase !== 'queued';
    const present = staying.get(id)?.size ?? 0;
    // With all steps done it only needs the writer.
    const isWriting = run.lastWrite !== undefined;
    const waitedMs = run.waitedMs + (isStarted ? 0 : Math.max(0, nowMs - run.queuedMs));
    return {
      id,
      name: spec.name,
      priority,
      rank: effectivePriority(priority, waitedMs),
      minWorkers: isWriting ? Math.min(present, spec.resources.minWorkers) : spec.resources.minWorkers,
      maxWorkers: isWriting ? present : mostWorkers(spec),
      ...demandOf(spec),
      isStarted,
      present,
      workers: workersOf.get(id) ?? [],
      isStuck: run.shortSinceMs !== undefined && nowMs - run.shortSinceMs > STUCK_TIMEOUTS * silenceMs,
      hasStood: hasStood(run),
      ...(run.refusals.length > 0 && { isRefused: (workerId: string) => refusalOf(run, workerId, nowMs) !== undefined }),
    };
  };
  return {
    jobs: runs.filter(({ phase }) => phase === 'queued' || phase === 'starting' || phase === 'running').map(schedulable),
    free,
    leaving,
    isSettling: nowMs - startedMs < silenceMs,
    caution: caution !== undefined && nowMs < caution.untilMs ? caution : undefined,
  };
}
