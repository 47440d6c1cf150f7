import { STEP_PHASES, type StepsTimed, type StepTimes } from '@maestro/protocol';

/** Maximum steps kept of a worker, and maximum workers of a job. */
const MOST_STEPS = 256;
const MOST_WORKERS = 64;
/** A straggler is named when waiting for it takes at least this share of the time. */
const LEAST_SHARE = 0.15;

/** The last steps of one worker, in order. */
export interface WorkerTimes {
  readonly name: string;
  readonly steps: readonly StepTimes[];
}

/** The member that the others wait for. */
export interface Straggler {
  readonly name: string;
  /** Its mean delay at a step's barrier after the first to arrive, over all examined steps. */
  readonly seconds: number;
  /** The same as a share of the steps' time, 0 to 1. */
  readonly share: number;
}

/** Adds a worker's reported times of its last steps to the timeline; by worker id. A recomputed step replaces its earlier times. */
export function addTimes(
  timeline: ReadonlyMap<string, WorkerTimes>,
  { id, name }: { readonly id: string; readonly name: string },
  { steps: told }: StepsTimed,
): Map<string, WorkerTimes> {
  const first = Math.min(...told.map(({ step }) => step));
  const before = (timeline.get(id)?.steps ?? []).filter(({ step }) => step < first);
  const next = new Map(timeline);
  next.delete(id);
  next.set(id, { name, steps: [...before, ...told].slice(-MOST_STEPS) });
  // The worker silent for the longest time comes first.
  for (const oldest of [...next.keys()].slice(0, Math.max(0, next.size - MOST_WORKERS))) next.delete(oldest);
  return next;
}

/** Returns the last `steps` steps of a timeline, for all workers that took part, by name. */
export function lastTimes(timeline: ReadonlyMap<string, WorkerTimes>, steps: number): WorkerTimes[] {
  const newest = Math.max(0, ...[...timeline.values()].map((worker) => worker.steps.at(-1)?.step ?? 0));
  return [...timeline.values()]
    .map((worker) => ({ ...worker, steps: worker.steps.filter(({ step }) => step > newest - steps) }))
    .filter((worker) => worker.steps.length > 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Finds the worker that arrives last at the barriers of these steps, weighted by what that costs the first to arrive. Undefined when nobody
 * stands out.
 */
export function findStraggler(workers: readonly WorkerTimes[]): Straggler | undefined {
  const bySteps = new Map<number, { readonly name: string; readonly times: StepTimes }[]>();
  for (const { name, steps } of workers) {
    for (const times of steps) bySteps.set(times.step, [...(bySteps.get(times.step) ?? []), { name, times }]);
  }
  const cost = new Map<string, number>();
  let totalSeconds = 0;
  let count = 0;
  for (const members of bySteps.values()) {
    if (members.length < 2) continue;
    const last = members.reduce((a, b) => (b.times.lag > a.times.lag ? b : a));
    cost.set(last.name, (cost.get(last.name) ?? 0) + last.times.lag);
    totalSeconds += STEP_PHASES.reduce((sum, phase) => sum + last.times[phase], 0);
    count++;
  }
  const [worst] = [...cost].sort(([, a], [, b]) => b - a);
  if (worst === undefined || worst[1] < LEAST_SHARE * totalSeconds) return undefined;
  return { name: worst[0], seconds: worst[1] / count, share: worst[1] / totalSeconds };
}
