import type { FailureTimeouts } from '@maestro/protocol';
import { withWaiting } from '../jobs/jobView.ts';
import type { ActiveJob } from '../run/activeJob.ts';
import type { Clock } from '../run/clock.ts';
import type { JobRun } from '../run/state/runState.ts';
import type { WorkerRegistry } from '../workers/workerRegistry.ts';
import { type Caution, followCaution } from './caution.ts';
import { choosePrecision, type PrecisionChoice } from './choosePrecision.ts';
import { placeJobs } from './placement.ts';
import { placementInput } from './placementInput.ts';

/** Carries out the decisions of `placeJobs`. */
export interface Placer {
  /** Gives workers to waiting jobs, if necessary from jobs that must make way, then to those that can grow. */
  place(): void;
  /** Places once at the next turn of the event loop, however many jobs change until then. */
  placeSoon(): void;
  /** Called when a job was admitted. */
  placeNew(): void;
  /** Called periodically. */
  tick(): void;
  /** Called when a job has changed. */
  follow(before: JobRun, after: JobRun): void;
  /** Stops placing. */
  close(): void;
}

/** Options of {@link createPlacer}. */
export interface PlacerOptions {
  readonly jobs: ReadonlyMap<string, ActiveJob>;
  readonly workers: Pick<WorkerRegistry, 'all' | 'get'>;
  readonly timeouts: Pick<FailureTimeouts, 'silenceMs'>;
  readonly clock: Clock;
}

/** With more jobs to place than these, a new one waits for a tick that handles all that arrived meanwhile, */
const PROMPT_JOBS = 200;
/** which then comes at this interval; changes, joins and departures are handled at once. */
const LONG_QUEUE_MS = 1000;

/** Creates the placer of a starting coordinator. */
export function createPlacer({ jobs, workers, timeouts: { silenceMs }, clock }: PlacerOptions): Placer {
  const startedMs = clock.nowMs;
  let isClosed = false;
  let isDue = false;
  let count = 0;
  let placedMs = 0;
  let caution: Caution | undefined;

  /** Decides `precision: auto` when a job first starts, by all workers that will get jobs. */
  const choiceFor = ({ facts: { spec } }: JobRun): { choice?: PrecisionChoice } => {
    if (spec.precision !== 'auto') return {};
    const connected = workers.all().flatMap(({ hello, isDrained }) => (isDrained ? [] : hello));
    return { choice: choosePrecision(spec, connected) };
  };

  const place = (): void => {
    if (isClosed) return;
    placedMs = clock.nowMs;
    const runs: JobRun[] = [];
    for (const { held, run, amend } of jobs.values()) {
      if (held === undefined) runs.push(run);
      else amend((job) => withWaiting(job, { phase: run.phase }, held));
    }
    const input = placementInput({ runs, workers: workers.all(), nowMs: clock.nowMs, silenceMs, startedMs, caution });
    count = input.jobs.length;
    for (const placement of placeJobs(input)) {
      const { jobId, reason } = placement;
      const active = jobs.get(jobId)!;
      switch (placement.type) {
        case 'assign':
          for (const { id } of placement.workers) workers.get(id)!.jobId = jobId;
          active.dispatch({ type: 'assigned', workers: placement.workers, ...choiceFor(active.run) });
          break;
        case 'shrink':
          for (const { id } of placement.workers) active.dispatch({ type: 'drain', workerId: id, reason });
          break;
        case 'preempt':
          active.dispatch({ type: 'preempt', reason });
          break;
        case 'wait':
          active.amend((job) => withWaiting(job, active.run, reason));
      }
    }
  };

  return {
    place,
    placeSoon() {
      if (isDue) return;
      isDue = true;
      clock.soon(() => {
        isDue = false;
        place();
      });
    },
    placeNew() {
      if (count < PROMPT_JOBS) place();
    },
    tick() {
      if (count < PROMPT_JOBS || clock.nowMs - placedMs >= LONG_QUEUE_MS) place();
    },
    follow(before, after) {
      caution = followCaution(caution, before, after, clock.nowMs);
    },
    close() {
      isClosed = true;
    },
  };
}
