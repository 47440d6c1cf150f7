import { GET_OPERATORS } from '@maestro/native/operators';
import { jobLabel } from '../jobs/jobLabel.ts';
import { type Caution, describeCaution } from './caution.ts';
import { chooseVictims, describeVictims, type Victim } from './preemption.ts';
import { type FreeWorker, isFit, type SchedulableJob } from './schedulableJob.ts';

/** Input of {@link placeJobs}. */
export interface PlacementInput {
  /** In order of submission. */
  readonly jobs: readonly SchedulableJob[];
  readonly free: readonly FreeWorker[];
  /** Workers that are about to leave their jobs. */
  readonly leaving?: readonly FreeWorker[];
  /** True while workers may still be reconnecting to a coordinator that has just started: a job that lacks some is not passed over. */
  readonly isSettling?: boolean;
  /** Set when jobs have recently failed before their first step: see {@link Caution}. */
  readonly caution?: Caution | undefined;
}

/** A decision about a job, with its reason as a sentence. */
export type Placement =
  | { readonly type: 'assign'; readonly jobId: string; readonly workers: readonly FreeWorker[]; readonly reason: string }
  | { readonly type: 'wait'; readonly jobId: string; readonly reason: string }
  /** The job continues with fewer workers. */
  | { readonly type: 'shrink'; readonly jobId: string; readonly workers: readonly FreeWorker[]; readonly reason: string }
  /** The job writes a checkpoint, gives up all workers, and waits for its next turn. */
  | { readonly type: 'preempt'; readonly jobId: string; readonly reason: string };

/** A placement in progress: what is left to give, and the decisions so far. */
interface Deal {
  /** Jobs that have workers: few, however many wait. */
  readonly holders: readonly SchedulableJob[];
  /** Reasons why jobs without workers and refusals wait, keyed by everything that decides it; cleared when workers are given. */
  readonly lacks: Map<string, string>;
  /** Number of jobs waiting behind another, by device. */
  readonly behind: Map<string, number>;
  readonly free: FreeWorker[];
  readonly leaving: FreeWorker[];
  readonly given: Map<string, FreeWorker[]>;
  readonly victims: Map<string, Victim>;
  readonly waits: Map<string, string>;
  /** By device: the job whose turn it is, and whether it is about to reach its minimum, so that free workers are kept for it. */
  readonly turnOf: Map<string, { readonly job: SchedulableJob; readonly isKeeping: boolean }>;
}

/**
 * Decides which workers work for which job. First come the minimums, each entirely or not at all, by effective priority and then in order
 * of submission; a job whose turn it is holds back those behind it, unless its minimum exceeds all existing workers. Beyond the free
 * workers it takes others: those that are leaving, those above the minimum of jobs that are not of higher priority, and finally those of
 * jobs with a lower priority, which are paused. The rest goes to jobs that can use more, in the same order; they keep it until somebody's
 * minimum needs it. While there is {@link Caution}, a job that has not done a step yet only gets free workers and those of jobs with a
 * lower priority.
 */
export function placeJobs(input: PlacementInput): Placement[] {
  const { jobs, free, leaving = [] } = input;
  const deal: Deal = {
    holders: jobs.filter(({ workers }) => workers.length > 0),
    lacks: new Map(),
    behind: new Map(),
    free: [...free].sort((a, b) => (a.name < b.name ? -1 : 1)),
    leaving: [...leaving],
    given: new Map(),
    victims: new Map(),
    waits: new Map(),
    turnOf: new Map(),
  };
  // This scans all jobs, but only for the few that have started.
  const raised = new Map(jobs.filter(({ isStarted }) => isStarted).map((job) => [job, turnRank(job, jobs)]));
  const rankOf = (job: SchedulableJob): number => raised.get(job) ?? job.rank;
  const inTurn = [...jobs].sort((a, b) => rankOf(b) - rankOf(a) || Number(b.isStarted) - Number(a.isStarted));
  for (const job of inTurn) if (lacking(job) > 0) serveMinimum(job, input, deal);
  for (const job of inTurn) {
    if (deal.free.length === 0) break;
    grow(job, deal);
  }
  return jobs.map((job) => decisionOn(job, deal)).filter((decision) => decision !== undefined);
}

/** Returns the workers that a job needs before it can continue. */
function lacking({ minWorkers, present }: SchedulableJob): number {
  return Math.max(0, minWorkers - present);
}

/** Ranks a job that has lost workers so that it gets them back before any job starts that could not have it paused. */
function turnRank(job: SchedulableJob, jobs: readonly SchedulableJob[]): number {
  if (!job.isStarted || job.isStuck || lacking(job) === 0) return job.rank;
  return jobs.reduce((rank, other) => (!other.isStarted && other.priority <= job.priority ? Math.max(rank, other.rank) : rank), job.rank);
}

/**
 * Number of jobs per device whose reason names the job ahead of them. With a long queue, a change at its head would otherwise change all of
 * them.
 */
const TOLD_BEHIND = 20;

function serveMinimum(job: SchedulableJob, { isSettling = false, caution }: PlacementInput, deal: Deal): void {
  const { id, device, operators, minWorkers, hasStood = true } = job;
  const ahead = deal.turnOf.get(device);
  if (ahead !== undefined) {
    const place = (deal.behind.get(device) ?? 0) + 1;
    deal.behind.set(device, place);
    const whom = place > TOLD_BEHIND ? `more than ${TOLD_BEHIND} other jobs` : jobLabel(ahead.job);
    return void deal.waits.set(id, `waiting: behind ${whom}`);
  }
  // Most waiting jobs are alike, and share one computation.
  const kind = kindOf(job);
  const known = kind === undefined ? undefined : deal.lacks.get(kind);
  if (known !== undefined) return void deal.waits.set(id, known);
  const need = lacking(job);
  const free = usable(job, deal.free);
  if (free.length >= need) return give(job, free.slice(0, need), deal);

  const which = operators === undefined ? '' : ' with native operators';
  const lack = `waiting: needs ${minWorkers} ${device} worker${minWorkers === 1 ? '' : 's'}${which}, ${job.present + free.length} free`;
  const leaving = usable(job, deal.leaving).slice(0, need - free.length);
  const missing = need - free.length - leaving.length;
  const others = deal.holders.filter((other) => other.id !== id && !deal.given.has(other.id));
  const restraint = hasStood ? undefined : caution;
  const givers = restraint === undefined ? others : others.filter((other) => other.priority < job.priority || other.isStuck);
  const victims = missing === 0 ? [] : chooseVictims({ job, missing, others: givers });
  if (victims !== undefined) {
    for (const victim of victims) deal.victims.set(victim.job.id, victim);
    deal.turnOf.set(device, { job, isKeeping: true });
    return void deal.waits.set(id, `${lack}; ${describeVictims(victims, leaving)}`);
  }
  const connected = connectedFor(job, deal);
  const isEnough = connected >= minWorkers;
  const isRestrained = isEnough && restraint !== undefined && chooseVictims({ job, missing, others }) !== undefined;
  const why = isRestrained ? `; ${describeCaution(restraint)}` : '';
  const remedy = operators === undefined ? '' : `; others: ${GET_OPERATORS}`;
  const reason = isEnough ? `${lack}${why}` : `${lack}; ${connected} ${connected === 1 ? 'is' : 'are'} connected${remedy}`;
  deal.waits.set(id, reason);
  if (isEnough || isSettling) deal.turnOf.set(device, { job, isKeeping: false });
  else if (kind !== undefined) deal.lacks.set(kind, reason);
}

/** Returns a key of everything that decides about a job without workers and refusals; undefined for others. */
function kindOf({
  device,
  operators,
  allowsMixed,
  minWorkers,
  priority,
  rank,
  hasStood,
  isRefused,
  present,
}: SchedulableJob): string | undefined {
  if (isRefused !== undefined || present > 0) return undefined;
  return `${device} ${operators} ${allowsMixed} ${minWorkers} ${priority} ${rank} ${hasStood}`;
}

/** Counts the workers that a job could use, whoever has them now. */
function connectedFor(job: SchedulableJob, { free, leaving, given, holders }: Deal): number {
  const { id, present } = job;
  const working = holders.flatMap((other) => (other.id === id ? [] : other.workers));
  const dealt = [...given].flatMap(([to, workers]) => (to === id ? [] : workers));
  return present + [...free, ...leaving, ...working, ...dealt].filter((worker) => isFit(job, worker)).length;
}

/** Gives free workers to a job that can use more than its minimum. */
function grow(job: SchedulableJob, deal: Deal): void {
  const has = job.present + (deal.given.get(job.id)?.length ?? 0);
  const mayGrow = has >= job.minWorkers && deal.turnOf.get(job.device)?.isKeeping !== true && !deal.victims.has(job.id);
  if (mayGrow) give(job, usable(job, deal.free).slice(0, Math.max(0, job.maxWorkers - has)), deal);
}

function give({ id }: SchedulableJob, workers: readonly FreeWorker[], { free, given, lacks }: Deal): void {
  if (workers.length === 0) return;
  lacks.clear();
  for (const worker of workers) free.splice(free.indexOf(worker), 1);
  given.set(id, [...(given.get(id) ?? []), ...workers]);
}

function usable(job: SchedulableJob, workers: readonly FreeWorker[]): FreeWorker[] {
  if (workers.length === 0) return [];
  const own = (worker: FreeWorker): number => Number(worker.device === job.device);
  return workers.filter((worker) => isFit(job, worker)).sort((a, b) => own(b) - own(a));
}

function decisionOn({ id: jobId }: SchedulableJob, { given, victims, waits }: Deal): Placement | undefined {
  const workers = given.get(jobId);
  if (workers !== undefined) {
    return { type: 'assign', jobId, workers, reason: `placed on ${workers.map(({ name }) => name).join(', ')}` };
  }
  const victim = victims.get(jobId);
  if (victim !== undefined) {
    const { isPaused, reason } = victim;
    return isPaused ? { type: 'preempt', jobId, reason } : { type: 'shrink', jobId, workers: victim.workers, reason };
  }
  const reason = waits.get(jobId);
  return reason === undefined ? undefined : { type: 'wait', jobId, reason };
}
