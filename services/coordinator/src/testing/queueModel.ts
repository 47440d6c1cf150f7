import { effectivePriority } from '../placement/effectivePriority.ts';
import { type Placement, placeJobs } from '../placement/placement.ts';
import type { FreeWorker, SchedulableJob } from '../placement/schedulableJob.ts';

/** A job of the model. It progresses while it has its minimum of workers, and ends after `work` worker-ticks. */
export interface ModelJob {
  readonly id: string;
  readonly arrives: number;
  readonly priority: number;
  readonly minWorkers: number;
  readonly maxWorkers: number;
  readonly work: number;
}

/** A worker present from tick `from` until before tick `until`. */
export interface ModelWorker {
  readonly name: string;
  readonly from: number;
  readonly until: number;
}

/** History of a job. */
export interface JobStory {
  /** Ticks; undefined when it never happened. */
  firstStart: number | undefined;
  end: number | undefined;
  starts: number;
  preemptions: number;
}

interface ModelState {
  readonly job: ModelJob;
  workers: Set<string>;
  /** Workers that are leaving, each with the tick at which it is gone. */
  leaving: Map<string, number>;
  isStarted: boolean;
  isPausing: boolean;
  waited: number;
  shortSince: number | undefined;
  done: number;
}

const TICK_MS = 60_000;
const LEAVING_TICKS = 2;
const STUCK_TICKS = 5;

/** Simulates jobs on workers, one minute per tick, until all jobs have ended or `ticks` have passed. `check` sees every decision. */
export function playQueue({
  jobs,
  workers,
  ticks,
  check = () => undefined,
}: {
  readonly jobs: readonly ModelJob[];
  readonly workers: readonly ModelWorker[];
  readonly ticks: number;
  /** Called each tick after the decisions were carried out, with the workers of each job. */
  readonly check?: (owners: ReadonlyMap<string, readonly string[]>, placements: readonly Placement[]) => void;
}): Map<string, JobStory> {
  const states: ModelState[] = [];
  const stories = new Map<string, JobStory>();
  for (let tick = 0; tick < ticks; tick++) {
    for (const job of jobs.filter(({ arrives }) => arrives === tick)) {
      states.push({
        job,
        workers: new Set(),
        leaving: new Map(),
        isStarted: false,
        isPausing: false,
        waited: 0,
        shortSince: undefined,
        done: 0,
      });
      stories.set(job.id, { firstStart: undefined, end: undefined, starts: 0, preemptions: 0 });
    }
    const here = workers.filter(({ from, until }) => tick >= from && tick < until).map(({ name }) => ref(name));
    for (const state of states) settle(state, { tick, here: new Set(here.map(({ name }) => name)), story: stories.get(state.job.id)! });

    const active = states.filter(({ job }) => stories.get(job.id)!.end === undefined);
    const taken = new Set(states.flatMap((state) => [...state.workers, ...state.leaving.keys()]));
    const placements = placeJobs({
      jobs: active.filter(({ isPausing }) => !isPausing).map((state) => schedulable(state, { tick, here })),
      free: here.filter(({ name }) => !taken.has(name)),
      leaving: here.filter(({ name }) => states.some(({ leaving }) => leaving.has(name))),
    });
    for (const placement of placements) {
      const state = active.find(({ job }) => job.id === placement.jobId)!;
      carryOut(state, placement, { tick, story: stories.get(placement.jobId)! });
    }
    check(new Map(states.map(({ job, workers: of, leaving }) => [job.id, [...of, ...leaving.keys()]])), placements);
    if (jobs.every(({ id }) => stories.get(id)?.end !== undefined)) break;
  }
  return stories;
}

/** Simulates the changes of one tick: workers arrive where they were sent, and jobs progress. */
function settle(state: ModelState, { tick, here, story }: { tick: number; here: ReadonlySet<string>; story: JobStory }): void {
  for (const name of state.workers) if (!here.has(name)) state.workers.delete(name);
  for (const [name, at] of state.leaving) if (tick >= at || !here.has(name)) state.leaving.delete(name);
  if (state.isPausing && state.leaving.size === 0) {
    state.isPausing = false;
    state.isStarted = false;
  }
  if (story.end !== undefined) return;
  if (!state.isStarted) state.waited++;
  const isShort = state.isStarted && !state.isPausing && state.workers.size < state.job.minWorkers;
  state.shortSince = isShort ? (state.shortSince ?? tick) : undefined;
  if (!state.isStarted || isShort) return;
  state.done += state.workers.size;
  if (state.done < state.job.work) return;
  story.end = tick;
  state.workers.clear();
}

function carryOut(state: ModelState, placement: Placement, { tick, story }: { tick: number; story: JobStory }): void {
  const leave = (name: string): void => {
    state.workers.delete(name);
    state.leaving.set(name, tick + LEAVING_TICKS);
  };
  switch (placement.type) {
    case 'assign':
      for (const { name } of placement.workers) state.workers.add(name);
      requireMinimum(state);
      if (!state.isStarted) story.starts++;
      state.isStarted = true;
      story.firstStart ??= tick;
      return;
    case 'shrink':
      for (const { name } of placement.workers) leave(name);
      requireMinimum(state);
      return;
    case 'preempt':
      story.preemptions++;
      state.isPausing = true;
      for (const name of state.workers) leave(name);
      return;
    case 'wait':
      return;
  }
}

function requireMinimum({ job, workers }: ModelState): void {
  if (workers.size < job.minWorkers) throw new Error(`${job.id} is to work with ${workers.size} of ${job.minWorkers} workers`);
}

function schedulable(state: ModelState, { tick, here }: { tick: number; here: readonly FreeWorker[] }): SchedulableJob {
  const { job, workers, isStarted, waited, shortSince } = state;
  const { id, priority, minWorkers, maxWorkers } = job;
  return {
    id,
    priority,
    rank: effectivePriority(priority, waited * TICK_MS),
    minWorkers,
    maxWorkers,
    device: 'cpu',
    isStarted,
    present: workers.size,
    workers: here.filter(({ name }) => workers.has(name)),
    isStuck: shortSince !== undefined && tick - shortSince > STUCK_TICKS,
  };
}

function ref(name: string): FreeWorker {
  return { name, id: `${name}:1`, address: '', device: 'cpu' };
}
