import { dilocoOf } from '@maestro/protocol';
import { watchLastWrite } from './state/lastWrite.ts';
import type { RunWorker } from './state/runState.ts';
import { stop } from './stopRun.ts';
import { hasBeenOpened } from './view/failView.ts';
import { hold } from './view/holdView.ts';
import { evict, lose } from './view/loseWorker.ts';
import { isBusy, presentMembers, seconds, type Turn } from './view/turn.ts';

/** Detects workers that are gone, silent, or stuck. */
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
  // It ends by itself: each try has its deadline, and the number of tries is limited.
  if (watchLastWrite(turn)) return;
  const members = presentMembers(turn);
  const sinceMs = nowMs - view.sinceMs;
  if (view.status === 'holding' && view.isAbort) {
    if (sinceMs > timeouts.holdMs)
      for (const slow of members.filter(isBusy)) evict(turn, slow, `it did not stop within ${seconds(sinceMs)}: ${describe(slow)}`);
    return;
  }
  // When replicas train apart, a view ends on purpose only with a round, which may take long as long as its steps do not.
  const waitedMs = dilocoOf(turn.run.facts.spec) === undefined ? sinceMs : nowMs - Math.max(view.sinceMs, lastCommitMs);
  if (view.status === 'holding' && members.some(({ drain }) => drain !== undefined) && waitedMs > timeouts.silenceMs) {
    return hold(turn, { isAbort: true, reason: `${view.reason}, and the step takes too long to wait for` });
  }
  // Compiling and reading cold data happen once, in the first step.
  const isFirst = stepSeconds === 0 && step <= view.startStep;
  const patienceMs = Math.max(isFirst ? timeouts.firstProgressMs : timeouts.progressMs, 10_000 * stepSeconds);
  const movedMs = view.status === 'forming' ? view.sinceMs : Math.max(lastCommitMs, view.status === 'working' ? view.sinceMs : 0);
  const quietMs = nowMs - Math.max(movedMs, excusedMs);
  if (quietMs <= patienceMs) return;
  const blockers = members.filter(
    (member) => isBusy(member) && !waitsForPeer(member) && member.phaseSeconds * 1000 > Math.min(patienceMs, timeouts.progressMs),
  );
  // A member in another phase by now, such as receiving a state, is making progress.
  if (blockers.length === 0 && members.some((member) => isBusy(member) && !waitsForPeer(member))) return;
  if (blockers.length === 0 && members.some(isBusy))
    return hold(turn, { isAbort: true, reason: `no step for ${seconds(quietMs)}, and all wait for each other` });
  for (const blocker of blockers) evict(turn, blocker, `no step for ${seconds(quietMs)}: ${describe(blocker)}`);
}

/** Evicts a worker that takes too long to open the job, and that others could use; when nobody has opened it, the job fails. */
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

/** Returns false for a member that waits for its shards, or for the ledger: it may be the only one, since Redis answers the coordinator. */
function waitsForPeer({ phase, waitingFor }: RunWorker): boolean {
  return waitingFor !== '' && phase !== 'lease' && phase !== 'report';
}

/** Formats `step 812, in compute for 4.1 s`. */
function describe({ step, phase, phaseSeconds }: RunWorker): string {
  return `at step ${step}, in ${phase} for ${seconds(1000 * phaseSeconds)}`;
}
