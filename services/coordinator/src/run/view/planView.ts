import { jobSchedule, windowOfStep } from '@maestro/data';
import { mostWorkers, ranksPerUnit } from '@maestro/protocol';
import { release } from '../release.ts';
import { isSharded } from '../state/newestState.ts';
import type { RunWorker } from '../state/runState.ts';
import { betterAssignment } from './assignRanks.ts';
import { hold } from './holdView.ts';
import { isBusy, isOut, names, presentMembers, record, type Turn, update } from './turn.ts';

/** A re-balancing must save this much in the next window, many times what a change of view costs. */
const REBALANCE_WORTH_SECONDS = 2;
/** What was measured in the present view counts, after so many steps of it: the first ones are slower. */
const REBALANCE_STEPS = 5;
/**
 * So long after a re-balancing the next one may come; twice as long after each further one, and as after the first when there was none for
 * an hour.
 */
const REBALANCE_PAUSE_MS = 60_000;
const REBALANCE_MEMORY_MS = 3_600_000;
/** A re-balancing is decided so many steps before the end of a window, so that all members hear of it in time. */
const REBALANCE_NOTICE = 2;

/** Ends a view at a step boundary when there is a better one to be had. */
export function plan(turn: Turn): void {
  const { run } = turn;
  const { view, facts, step, workers } = run;
  const members = presentMembers(turn);
  const leaving = members.filter(({ drain }) => drain !== undefined);
  if (leaving.length > 0) {
    const reason = `${names(leaving)} leave${leaving.length === 1 ? 's' : ''}`;
    // More may follow before their parts of a sharded state have gone to others.
    return hold(turn, { isAbort: false, reason, writeCheckpoint: isSharded(run) });
  }
  // Until the first step is committed, members may still be pulling from one that is none.
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

/** Near the end of a window: deals the ranks anew when measured times say that the step would be a fifth shorter. */
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

/** Times swing with what else the machines do: a deal that follows each swing costs more views than it saves time. */
function mayRebalance(turn: Turn): boolean {
  const recent = recentRebalancings(turn);
  return recent.length === 0 || turn.nowMs - recent.at(-1)! >= REBALANCE_PAUSE_MS * 2 ** (recent.length - 1);
}

function recentRebalancings({ run: { rebalancedMs = [] }, nowMs }: Turn): number[] {
  return rebalancedMs.filter((timeMs) => nowMs - timeMs < REBALANCE_MEMORY_MS);
}
