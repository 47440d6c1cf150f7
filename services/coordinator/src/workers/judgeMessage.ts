import { jobSchedule, positionsOfStep, type Schedule } from '@maestro/data';
import {
  type CheckpointWritten,
  type FailureTimeouts,
  isLoaded,
  recipeOf,
  type Standing,
  type StepCommitted,
  type WorkerMessage,
} from '@maestro/protocol';
import type { JobRun } from '../run/state/runState.ts';

/**
 * After a coordinator took a job over, its workers may be ahead of what was persisted: for this many failure timeouts, or until all are
 * back.
 */
const FORGETFUL_TIMEOUTS = 4;
/** More views than can have been formed and lost. */
const MOST_FORGOTTEN_VIEWS = 1000;

/** Context of a judgement, besides the run. */
export interface JudgeContext {
  readonly nowMs: number;
  readonly timeouts: Pick<FailureTimeouts, 'silenceMs'>;
}

/** The plausible part of a worker's standing; undefined when it does not work for the job. `problem` describes the rest. */
export interface JudgedStanding {
  readonly standing?: Standing;
  readonly problem?: string;
}

/**
 * Checks that a worker's message about a job is plausible: the job has the worker, the view existed, and the step can have been reached.
 * Returns why not; undefined when it is. A standing is judged by {@link judgeStanding}.
 */
export function whyUnbelievable(run: JobRun, workerId: string, message: WorkerMessage, context: JudgeContext): string | undefined {
  switch (message.kind) {
    case 'hello':
    case 'standing':
    case 'metrics':
      return undefined;
    case 'committed':
      return whyNotCommitted(run, workerId, message, context);
    case 'checkpoint':
      return whyNotWritten(run, workerId, message, context);
    case 'checkpointFailed':
    case 'skipped':
      return isAtWork(run, workerId) && wasMember(run, workerId) ? undefined : 'the worker has been in no view of the job';
    case 'heartbeat':
    case 'drain':
    case 'left':
    case 'timed':
      return isAtWork(run, workerId) ? undefined : 'the job does not have the worker';
  }
}

/**
 * Returns the plausible part of a worker's standing. Only a coordinator that has just taken the job over can have lost a worker; steps
 * follow each other; nobody holds a state that was not reached.
 */
export function judgeStanding(run: JobRun, workerId: string, standing: Standing, context: JudgeContext): JudgedStanding {
  const { generation } = standing;
  const forgetful = isForgetful(run, context);
  const isLater = generation > run.generation;
  const isForgottenView = forgetful && generation > 0 && !run.pastViews.some((view) => view.generation === generation);
  if (!isKnown(run, workerId) && !isForgottenView) return { problem: 'the job does not know the worker' };
  if (isLater && !(forgetful && generation <= Math.max(run.generation, run.skipped) + MOST_FORGOTTEN_VIEWS)) {
    return { problem: `there was no view ${generation}, the newest is ${run.generation}` };
  }
  const schedule = scheduleOf(run);
  const mostSteps = schedule?.totalSteps ?? Number.POSITIVE_INFINITY;
  let reached = run.step;
  let problem: string | undefined;
  const reports: StepCommitted[] = [];
  for (const report of standing.reports) {
    if (report.step <= reached && report.step <= run.step) continue;
    problem ??= whyNotReported(run, workerId, report, { reached, forgetful, schedule });
    if (problem !== undefined) break;
    reports.push(report);
    reached = report.step;
  }
  const most = forgetful ? mostSteps : Math.min(reached, mostSteps);
  const shards = standing.shards.filter((shard) => shard.step <= most && shard.first + shard.length <= standing.stateLength);
  const isBeyond = standing.step > most;
  if (isBeyond || shards.length < standing.shards.length) problem ??= `it holds a state of a step beyond ${most}, which was not reached`;
  return {
    standing: { ...standing, reports, shards, step: isBeyond ? -1 : standing.step },
    ...(problem !== undefined && { problem }),
  };
}

function whyNotReported(
  run: JobRun,
  workerId: string,
  report: StepCommitted,
  { reached, forgetful, schedule }: { readonly reached: number; readonly forgetful: boolean; readonly schedule: Schedule | undefined },
): string | undefined {
  const view = run.pastViews.find(({ generation }) => generation === report.generation);
  const isOld = report.generation < (run.pastViews[0]?.generation ?? 0);
  if (view === undefined ? !(forgetful || isOld) : !view.members.some(({ id }) => id === workerId)) {
    return `it was not in view ${report.generation}`;
  }
  if (report.step > reached + 1 && !forgetful) return `step ${report.step} cannot follow step ${reached}`;
  return whyNotOfPlan(report, run, schedule);
}

function whyNotCommitted(run: JobRun, workerId: string, committed: StepCommitted, context: JudgeContext): string | undefined {
  if (!isAtWork(run, workerId)) return 'the job does not have the worker';
  const forgetful = isForgetful(run, context);
  const { generation, step } = committed;
  const past = run.pastViews.find((view) => view.generation === generation);
  const isOld = generation < (run.pastViews[0]?.generation ?? 0);
  if (past === undefined ? !(forgetful || isOld) : past.members[0]!.id !== workerId) return `it does not report for view ${generation}`;
  if (generation === run.generation && run.view?.status === 'forming' && !forgetful) return `view ${generation} is not formed yet`;
  if (step > run.step + 1 && !forgetful) return `step ${step} cannot follow step ${run.step}`;
  return whyNotOfPlan(committed, run, scheduleOf(run));
}

/** Checks that a step has the shape of the job's schedule, and the metrics of the job's recipe. */
function whyNotOfPlan(
  { step, images, ranks, metrics }: StepCommitted,
  { facts }: JobRun,
  schedule: Schedule | undefined,
): string | undefined {
  const { virtualRanks } = facts.spec.resources;
  if (ranks.length > 0 && ranks.length !== virtualRanks) return `a step of ${ranks.length} virtual ranks, the job has ${virtualRanks}`;
  const recipe = recipeOf(facts.spec);
  const isUndeclared = (name: string): boolean => !recipe.series.some((metric) => metric.name === name);
  const undeclared = isLoaded(facts.spec) ? Object.keys(metrics).find(isUndeclared) : undefined;
  if (undeclared !== undefined) return `recipe ${recipe.id} has no series ${undeclared}`;
  if (schedule === undefined) return undefined;
  if (step > schedule.totalSteps) return `step ${step} is beyond the job's ${schedule.totalSteps}`;
  const { count } = positionsOfStep(schedule, step - 1);
  return images > count ? `step ${step} has ${count} samples, not ${images}` : undefined;
}

function whyNotWritten(run: JobRun, workerId: string, { step }: CheckpointWritten, context: JudgeContext): string | undefined {
  if (!isKnown(run, workerId)) return 'the job does not know the worker';
  const most = isForgetful(run, context) ? (scheduleOf(run)?.totalSteps ?? Number.POSITIVE_INFINITY) : run.step;
  return step > most ? `a checkpoint of step ${step}, which was not reached` : undefined;
}

/** Returns true when the job has the worker now. */
function isAtWork({ workers }: JobRun, workerId: string): boolean {
  return workers.some(({ id }) => id === workerId);
}

/** Returns true when the job has the worker, or had it in a view. */
function isKnown(run: JobRun, workerId: string): boolean {
  return isAtWork(run, workerId) || wasMember(run, workerId);
}

/** Returns true when the worker was in a view, or may have been in one that was lost. */
function wasMember({ pastViews, workers }: JobRun, workerId: string): boolean {
  const isIn = pastViews.some(({ members }) => members.some(({ id }) => id === workerId));
  return isIn || workers.some(({ id, generation }) => id === workerId && generation > 0);
}

/** Returns true when the run may lack what was not persisted before its coordinator or Redis died. */
function isForgetful({ recoveredMs, view, workers }: JobRun, { nowMs, timeouts }: JudgeContext): boolean {
  if (recoveredMs === undefined || nowMs - recoveredMs > FORGETFUL_TIMEOUTS * timeouts.silenceMs) return false;
  const isBack = (id: string): boolean => workers.some((worker) => worker.id === id && worker.awaySinceMs === undefined);
  return view?.members.every(({ id }) => isBack(id)) !== true;
}

function scheduleOf({ facts, common }: JobRun): Schedule | undefined {
  return common === undefined ? undefined : jobSchedule(facts.spec, common.datasetLength);
}
