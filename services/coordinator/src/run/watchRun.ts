import { dilocoOf } from '@maestro/protocol';
import { watchLastWrite } from './state/lastWrite.ts';
import type { RunWorker } from './state/runState.ts';
import { stop } from './stopRun.ts';
import { hasBeenOpened } from './view/failView.ts';
import { hold } from './view/holdView.ts';
import { evict, lose } from './view/loseWorker.ts';
import { isBusy, presentMembers, seconds, type Turn } from './view/turn.ts';

/** Sees who is gone, silent, or stands in the way. */
export function watch(turn: Turn): void {
  const { nowMs, timeouts } = turn;
  for (const worker of turn.run.workers) {
    const { awaySinceMs, lastHeardMs } = worker;
    if (awaySinceMs !== undefined && nowMs - awaySinceMs > timeouts.awayMs) {
      lose(turn, worker, `its control stream broke, and it did not come back within ${seconds(timeouts.awayMs)}`);
    } else if (awaySinceMs === undefined && nowMs - lastHeardMs > timeouts.silenceMs) {
      lose(turn, worker, `nothing heard for ${seconds(nowMs - lastHeardMs)}`);
    }
  }
  watchPreparation(turn);
  const { view, phase, step, lastCommitMs, excusedMs, stepSeconds } = turn.run;
  if (view === undefined || phase === 'stopping') return;
  // It ends by itself: each try has its deadline, and their number too.
  if (watchLastWrite(turn)) return;
  const members = presentMembers(turn);
  const sinceMs = nowMs - view.sinceMs;
  if (view.status === 'holding' && view.isAbort) {
    if (sinceMs > timeouts.holdMs)
      for (const slow of members.filter(isBusy)) evict(turn, slow, `it did not stop within ${seconds(sinceMs)}: ${describe(slow)}`);
    return;
  }
  // Where replicas train apart, a view ends on purpose only with a round, which may take long as long as its steps do not.
  const waitedMs = dilocoOf(turn.run.facts.spec) === undefined ? sinceMs : nowMs - Math.max(view.sinceMs, lastCommitMs);
  if (view.status === 'holding' && members.some(({ drain }) => drain !== undefined) && waitedMs > timeouts.silenceMs) {
    return hold(turn, { isAbort: true, reason: `${view.reason}, and the step takes too long to wait for` });
  }
  // What a first step must compile and read cold is done once.
  const isFirst = stepSeconds === 0 && step <= view.startStep;
  const patienceMs = Math.max(isFirst ? timeouts.firstProgressMs : timeouts.progressMs, 10_000 * stepSeconds);
  const movedMs = view.status === 'forming' ? view.sinceMs : Math.max(lastCommitMs, view.status === 'working' ? view.sinceMs : 0);
  const quietMs = nowMs - Math.max(movedMs, excusedMs);
  if (quietMs <= patienceMs) return;
  const blockers = members.filter(
    (member) => isBusy(member) && !waitsForPeer(member) && member.phaseSeconds * 1000 > Math.min(patienceMs, timeouts.progressMs),
  );
  // One that is at something else by now, such as a state that still comes in, is moving.
  if (blockers.length === 0 && members.some((member) => isBusy(member) && !waitsForPeer(member))) return;
  if (blockers.length === 0 && members.some(isBusy))
    return hold(turn, { isAbort: true, reason: `no step for ${seconds(quietMs)}, and all wait for each other` });
  for (const blocker of blockers) evict(turn, blocker, `no step for ${seconds(quietMs)}: ${describe(blocker)}`);
}

/** What takes too long to open stands in the way of a worker that others could use; where nobody has opened it, the job ends. */
function watchPreparation(turn: Turn): void {
  const { nowMs, timeouts } = turn;
  for (const worker of turn.run.workers) {
    const { name, status, isReleased, joinedMs = nowMs, waitingFor } = worker;
    const sinceMs = Math.max(joinedMs, turn.run.excusedMs);
    if (isReleased || (status !== 'assigned' && status !== 'preparing') || nowMs - sinceMs <= timeouts.prepareMs) continue;
    const message = `it did not open what the job needs within ${seconds(nowMs - sinceMs)}${waitingFor === '' ? '' : ` (${waitingFor})`}`;
    if (!hasBeenOpened(turn.run)) return stop(turn, { state: 'failed', reason: 'PrepareTimeout', message: `${name}: ${message}` });
    evict(turn, worker, message);
  }
}

/** One that waits for its shards, or for the ledger, can be the only one that does: Redis answers the coordinator. */
function waitsForPeer({ phase, waitingFor }: RunWorker): boolean {
  return waitingFor !== '' && phase !== 'lease' && phase !== 'report';
}

/** `step 812, in compute for 4.1 s`. */
function describe({ step, phase, phaseSeconds }: RunWorker): string {
  return `at step ${step}, in ${phase} for ${seconds(1000 * phaseSeconds)}`;
}
