import type { Left, Standing } from '@maestro/protocol';
import type { JobRun, RunWorker } from '../state/runState.ts';
import { stop } from '../stopRun.ts';
import { breakView, hold } from './holdView.ts';
import { evict, lose } from './loseWorker.ts';
import { presentMembers, record, removeWorker, type Turn, update, withdrawVote } from './turn.ts';

/** Number of consecutive views that may fail without a committed step before the job is given up. */
const MOST_FAILURES = 12;
/** Number of blames by peers, without a committed step between, after which a member is evicted although the coordinator hears it. */
const MOST_BLAMES = 2;
/**
 * Weight that blaming another counts against the blamer: an unreachable member blames others too, one after another, and may be the first
 * to do so. Below 1, so that of two views that fail alike the blamed one goes.
 */
const BLAMER_SHARE = 0.75;
/** Errors that every worker would hit: the job fails with them. */
const FATAL_CODES: ReadonlySet<string> = new Set(['invalid-argument', 'data-invalid', 'non-finite', 'storage']);

/** Handles a member's broken view: the others stop too, and the next view is formed. */
export function fail(turn: Turn, worker: RunWorker, { errorCode, errorMessage, suspect: blamedByIt, step }: Standing): void {
  const isWithoutRedis = errorCode === 'redis-unavailable';
  if (isWithoutRedis && turn.nowMs - turn.run.excusedMs < turn.timeouts.silenceMs) {
    return hold(turn, { isAbort: true, reason: `${worker.name} at step ${step}: ${errorMessage}` });
  }
  // Redis answers the coordinator: it is the member that cannot reach it.
  const suspect = isWithoutRedis ? worker.name : blamedByIt;
  const failures = turn.run.failures + 1;
  if (suspect !== '') {
    const { blames } = turn.run;
    const shares = suspect === worker.name ? { [suspect]: 1 } : { [suspect]: 1, [worker.name]: BLAMER_SHARE };
    const added = Object.entries(shares).map(([name, share]) => [name, blameOf(blames, name) + share]);
    update(turn, { blames: { ...blames, ...Object.fromEntries(added) } });
  }
  update(turn, { failures });
  const message = `${worker.name} at step ${step < 0 ? worker.step : step}: ${errorMessage || 'it holds'}`;
  if (errorCode === 'checkpoint-invalid') {
    const isGiven = turn.run.view?.restoreFrom === turn.run.facts.spec.checkpoint.resumeFrom;
    if (isGiven) return stop(turn, { state: 'failed', reason: 'CheckpointInvalid', message });
  }
  if (failures >= MOST_FAILURES) {
    return stop(turn, {
      state: 'failed',
      reason: reasonOf(errorCode),
      message: `gave up after ${failures} views without a committed step; last: ${message}`,
    });
  }
  hold(turn, { isAbort: true, reason: message });
  const blamed = turn.run.workers.find(({ name }) => name === suspect);
  if (blamed?.awaySinceMs !== undefined) lose(turn, blamed, `its control stream broke, and ${message}`);
  else if (failures >= MOST_BLAMES) evictMostBlamed(turn, message);
}

/** A worker may have the name of an Object property, such as `constructor`. */
function blameOf(blames: Readonly<Record<string, number>>, name: string): number {
  return Object.hasOwn(blames, name) ? blames[name]! : 0;
}

/**
 * Evicts a member that the coordinator hears but peers cannot reach, so that the rest can work. Of two that blame each other it is the
 * later one.
 */
function evictMostBlamed(turn: Turn, evidence: string): void {
  const { blames } = turn.run;
  const candidates = presentMembers(turn).filter(({ name }) => blameOf(blames, name) >= MOST_BLAMES);
  const worst = candidates.reduce<RunWorker | undefined>(
    (most, each) => (most === undefined || blames[each.name]! >= blames[most.name]! ? each : most),
    undefined,
  );
  if (worst !== undefined && presentMembers(turn).length > 1) evict(turn, worst, `its peers cannot work with it: ${evidence}`);
}

/** Handles a worker that has closed everything of the job: on request, or because of an error. */
export function leave(turn: Turn, worker: RunWorker, { outcome, errorCode, errorMessage, step }: Left): void {
  const isOpened = hasBeenOpened(turn.run);
  removeWorker(turn, worker.id);
  if (worker.isReleased) return;
  withdrawVote(turn, worker.id);
  if (outcome !== 'failed') return breakView(turn, worker, `${worker.name} does not work for the job any more`);
  const message = `${worker.name} failed at step ${Math.max(0, step)}: ${errorMessage}`;
  const wasMember = turn.run.pastViews.some(({ members }) => members.some(({ id }) => id === worker.id));
  // A failure to open the job by two workers, or the only one, without any success, is not a worker's fault; a failure by one that has been
  // in no view may be.
  const isAlone = !turn.run.workers.some(({ isReleased }) => !isReleased);
  const isJobsFault = !isOpened && (isAlone || turn.run.refusals.some(({ untilMs }) => untilMs === Number.MAX_SAFE_INTEGER));
  if ((FATAL_CODES.has(errorCode) && wasMember) || isJobsFault)
    return stop(turn, { state: 'failed', reason: reasonOf(errorCode), message });
  const failures = turn.run.failures + 1;
  record(turn, 'refused', message);
  update(turn, {
    failures,
    refusals: [...turn.run.refusals, { workerId: worker.id, name: worker.name, untilMs: Number.MAX_SAFE_INTEGER, reason: message }],
  });
  if (failures >= MOST_FAILURES) return stop(turn, { state: 'failed', reason: reasonOf(errorCode), message });
  breakView(turn, worker, message);
}

/** Returns true when some worker has managed to open what the job needs. */
export function hasBeenOpened({ common, votes = [] }: JobRun): boolean {
  return common !== undefined || votes.length > 0;
}

/** `data-invalid` -> `DataInvalid`. */
function reasonOf(code: string): string {
  return code.replace(/(^|-)([a-z])/g, (_, _dash, letter: string) => letter.toUpperCase()) || 'WorkerFailed';
}
