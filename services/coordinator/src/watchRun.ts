import { hold } from './holdView.ts';
import { evict, lose } from './loseWorker.ts';
import type { RunWorker } from './runState.ts';
import { isBusy, presentMembers, seconds, type Turn } from './turn.ts';

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
  const { view, phase, step, lastCommitMs, stepSeconds } = turn.run;
  if (view === undefined || phase === 'stopping') return;
  const members = presentMembers(turn);
  const sinceMs = nowMs - view.sinceMs;
  if (view.status === 'holding' && view.isAbort) {
    if (sinceMs > timeouts.holdMs)
      for (const slow of members.filter(isBusy)) evict(turn, slow, `it did not stop within ${seconds(sinceMs)}: ${describe(slow)}`);
    return;
  }
  if (view.status === 'holding' && members.some(({ drain }) => drain !== undefined) && sinceMs > timeouts.silenceMs) {
    return hold(turn, { isAbort: true, reason: `${view.reason}, and the step takes too long to wait for` });
  }
  const isFirst = step <= view.startStep;
  const patienceMs = Math.max(isFirst ? timeouts.firstProgressMs : timeouts.progressMs, 10_000 * stepSeconds);
  const quietMs = view.status === 'forming' ? sinceMs : nowMs - Math.max(lastCommitMs, view.status === 'working' ? view.sinceMs : 0);
  if (quietMs <= patienceMs) return;
  const blockers = members.filter(
    (member) => isBusy(member) && member.waitingFor === '' && member.phaseSeconds * 1000 > Math.min(patienceMs, timeouts.progressMs),
  );
  if (blockers.length === 0 && members.some(isBusy))
    return hold(turn, { isAbort: true, reason: `no step for ${seconds(quietMs)}, and all wait for each other` });
  for (const blocker of blockers) evict(turn, blocker, `no step for ${seconds(quietMs)}: ${describe(blocker)}`);
}

/** `step 812, in compute for 4.1 s`. */
function describe({ step, phase, phaseSeconds }: RunWorker): string {
  return `at step ${step}, in ${phase} for ${seconds(1000 * phaseSeconds)}`;
}
