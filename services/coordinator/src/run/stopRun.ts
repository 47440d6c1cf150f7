import { release } from './release.ts';
import { isLastWriteStuck } from './state/lastWrite.ts';
import { isSharded } from './state/newestState.ts';
import type { Outcome } from './state/runState.ts';
import { hold } from './view/holdView.ts';
import { effect, isOut, presentMembers, record, removeWorker, seconds, type Turn, update } from './view/turn.ts';

/** Deadline of a last checkpoint, in milliseconds, while the worker shows signs of life. */
const STOP_MS = 120_000;

/** Pauses the job at a step boundary, or abandons a view that has not started. */
export function pause(turn: Turn, reason: string): void {
  const { phase, preemption, ...rest } = turn.run;
  // A paused job that made way for another, or is about to, no longer returns automatically.
  if (preemption !== undefined) turn.run = { ...rest, phase, message: reason };
  if (phase === 'queued') return update(turn, { phase: 'paused', message: reason });
  holdAll(turn, reason);
}

/** Pauses the job like {@link pause}, but queues it again once its workers have left. */
export function preempt(turn: Turn, reason: string): void {
  const { phase } = turn.run;
  if (phase !== 'starting' && phase !== 'running') return;
  update(turn, { preemption: reason });
  holdAll(turn, reason);
}

function holdAll(turn: Turn, reason: string): void {
  const { phase } = turn.run;
  if (phase !== 'starting' && phase !== 'running') return;
  record(turn, 'state', `pausing: ${reason}`);
  update(turn, { phase: 'pausing', message: reason, stopDeadlineMs: turn.nowMs + STOP_MS });
  const { view } = turn.run;
  if (view?.status === 'working') hold(turn, { isAbort: false, reason, writeCheckpoint: isSharded(turn.run) });
  else if (view?.status === 'forming') hold(turn, { isAbort: true, reason });
}

/** Ends the job: at once while nobody works for it, otherwise after its workers have left. */
export function stop(turn: Turn, outcome: Outcome): void {
  const { phase, view } = turn.run;
  if (phase === 'stopping' || phase === 'ended') return;
  update(turn, { phase: 'stopping', outcome, message: outcome.message, stopDeadlineMs: turn.nowMs + STOP_MS });
  const isCollected = isSharded(turn.run) && outcome.state === 'cancelled' && view?.status === 'working' && !isLastWriteStuck(turn);
  if (isCollected) hold(turn, { isAbort: false, reason: outcome.message, writeCheckpoint: true });
  else releaseAll(turn, outcome.message, outcome.state !== 'succeeded');
}

/** Releases all workers; one that has the newest state persists it first. */
function releaseAll(turn: Turn, reason: string, isCheckpointWanted: boolean): void {
  const { workers, view, step, checkpointStep } = turn.run;
  const inView = presentMembers(turn).filter(({ awaySinceMs }) => awaySinceMs === undefined);
  const furthest = Math.max(-1, ...workers.map(({ state }) => state));
  const writer =
    view !== undefined && view.status !== 'forming' && inView.length > 0 ? inView[0] : workers.find(({ state }) => state === furthest);
  const isWanted = isCheckpointWanted && !isLastWriteStuck(turn);
  for (const worker of workers) {
    const writeCheckpoint = isWanted && worker.id === writer?.id && Math.max(step, furthest) > checkpointStep;
    if (!worker.isReleased) release(turn, worker, { reason, writeCheckpoint });
  }
}

/** Stops waiting for workers that have nothing to write and do not leave: their activity no longer concerns the job. */
function letGo(turn: Turn): void {
  const { nowMs, timeouts } = turn;
  for (const { id, isReleased, releasedMs = nowMs, isLastWriter, name } of turn.run.workers) {
    if (!isReleased || isLastWriter === true || nowMs - releasedMs <= timeouts.holdMs) continue;
    effect(turn, { type: 'disconnect', workerId: id, reason: 'it did not leave in time' });
    record(turn, 'left', `${name} did not leave within ${seconds(nowMs - releasedMs)}, and is not waited for`);
    removeWorker(turn, id);
  }
}

/** Continues stopping or pausing: done when all workers have left, or at the deadline. */
export function settleStop(turn: Turn): void {
  letGo(turn);
  const { phase, view, workers, outcome, stopDeadlineMs, message } = turn.run;
  if (workers.some(({ isReleased }) => !isReleased)) {
    const isOver = view === undefined || presentMembers(turn).every(isOut);
    if (isOver) releaseAll(turn, message, true);
  }
  if (turn.run.workers.length > 0 && turn.nowMs < stopDeadlineMs!) return;
  for (const { id } of workers) effect(turn, { type: 'disconnect', workerId: id, reason: 'it did not leave in time' });
  effect(turn, { type: 'closeQueues' });
  const { view: _view, restore: _restore, stopDeadlineMs: _deadline, shortSinceMs: _short, ...rest } = turn.run;
  if (phase !== 'pausing') turn.run = { ...rest, workers: [], phase: 'ended', message: outcome!.message };
  else if (rest.preemption === undefined) turn.run = { ...rest, workers: [], phase: 'paused', message };
  else turn.run = { ...rest, workers: [], phase: 'queued', message, queuedMs: turn.nowMs };
}
