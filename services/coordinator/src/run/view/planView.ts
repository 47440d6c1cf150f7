import { jobSchedule, windowOfStep } from '@maestro/data';
import { mostWorkers, ranksPerUnit } from '@maestro/protocol';
import { release } from '../release.ts';
import { isSharded } from '../state/newestState.ts';
import type { RunWorker } from '../state/runState.ts';
import { betterAssignment } from './assignRanks.ts';
import { hold } from './holdView.ts';
import { isBusy, isOut, names, presentMembers, record, type Turn, update } from './turn.ts';

/** Time that a re-balancing must save in the next window: many times the cost of a view change. */
const REBALANCE_WORTH_SECONDS = 2;
/** Number of steps in the current view after which measurements count: the first ones are slower. */
const REBALANCE_STEPS = 5;
/** Minimum pause after a re-balancing; doubled after each further one, and reset when there was none for an hour. */
const REBALANCE_PAUSE_MS = 60_000;
const REBALANCE_MEMORY_MS = 3_600_000;
/** Steps before the end of a window at which a re-balancing is decided, so that all members hear of it in time. */
const REBALANCE_NOTICE = 2;

/** Ends a view at a step boundary when a better one is possible. */
export function plan(turn: Turn): void {
  const { run } = turn;
  const { view, facts, step, workers } = run;
  const members = presentMembers(turn);
  const leaving = members.filter(({ drain }) => drain !== undefined);
  if (leaving.length > 0) {
    const reason = `${names(leaving)} leave${leaving.length === 1 ? 's' : ''}`;
    // More may leave before their shards of the state have moved to others.
    return hold(turn, { isAbort: false, reason, writeCheckpoint: isSharded(run) });
  }
  // Until the first step is committed, members may still be pulling from a holder that is no member.
  const isNeeded = ({ id }: RunWorker): boolean => run.lastCommitMs <= view!.sinceMs && view!.holders.some((holder) => holder.id === id);
  for (const worker of workers) {
    if (worker.drain === undefined || worker.isReleased || isBusy(worker) || isNeeded(worker)) continue;
    release(turn, worker, { reason: worker.drain, writeCheckpoint: false });
    record(turn, 'left', `${worker.name} leaves: ${worker.drain}`);
  }
  if (step <= view!.startStep) return;
  const isMember = ({ id }: RunWorker): boolean => view!.members.some((member) => member.id === id);
  const joining = workers.filter(
    (worker) => isOut(worker) && !isMember(worker) && !worker.isReleased && worker.drain === undefined && worker.awaySinceMs === undefined,
  );
  if (joining.length > 0 && members.length < mostWorkers(facts.spec)) {
    return hold(turn, { isAbort: false, reason: `${names(joining)} join${joining.length === 1 ? 's' : ''}` });
  }
  rebalance(turn);
}

/** Near the end of a window: reassigns the ranks when measured times show that the step would be a fifth shorter. */
function rebalance(turn: Turn): void {
  const { view, facts, common, step, workers } = turn.run;
  if (common === undefined || view!.members.length < 2 || step < view!.startStep + REBALANCE_STEPS || !mayRebalance(turn)) return;
  const schedule = jobSchedule(facts.spec, common.datasetLength);
  if (step >= schedule.totalSteps) return;
  const window = windowOfStep(schedule, step);
  const end = window.firstStep + window.steps;
  if (end - step > REBALANCE_NOTICE || end >= schedule.totalSteps) return;
  const { virtualRanks } = schedule;
  const better = betterAssignment({ members: view!.members, workers, virtualRanks, ranksPerUnit: ranksPerUnit(facts.spec) });
  if (better === undefined || (better.beforeSeconds - better.afterSeconds) * schedule.windowSteps < REBALANCE_WORTH_SECONDS) return;
  const ms = (value: number): string => `${Math.round(value * 1000)} ms`;
  const reason =
    `${better.slowest} is slow: computing ${ms(better.beforeSeconds)} a step would become ${ms(better.afterSeconds)} ` +
    'with other shares';
  record(turn, 'rebalance', reason);
  update(turn, { deal: better.deal, rebalancedMs: [...recentRebalancings(turn), turn.nowMs] });
  hold(turn, { isAbort: false, reason, notBefore: end });
}

/** Limits re-balancing: times fluctuate with other load, and following each fluctuation costs more in view changes than it saves. */
function mayRebalance(turn: Turn): boolean {
  const recent = recentRebalancings(turn);
  return recent.length === 0 || turn.nowMs - recent.at(-1)! >= REBALANCE_PAUSE_MS * 2 ** (recent.length - 1);
}

function recentRebalancings({ run: { rebalancedMs = [] }, nowMs }: Turn): number[] {
  return rebalancedMs.filter((timeMs) => nowMs - timeMs < REBALANCE_MEMORY_MS);
}
