import { release } from '../release.ts';
import type { RunWorker } from '../state/runState.ts';
import { breakView } from './holdView.ts';
import { effect, record, removeWorker, seconds, type Turn, update, withdrawVote } from './turn.ts';

/** Number of failure timeouts for which an evicted worker is not accepted again. */
const EVICTION_TIMEOUTS = 6;

/** Removes a worker that is dead or unreachable. */
export function lose(turn: Turn, worker: RunWorker, evidence: string): void {
  removeWorker(turn, worker.id);
  withdrawVote(turn, worker.id);
  effect(turn, { type: 'disconnect', workerId: worker.id, reason: evidence });
  if (worker.isReleased) return;
  const heard = turn.nowMs - worker.lastHeardMs;
  const message = `lost worker ${worker.name} at step ${worker.step} (last heard in ${worker.phase}, ${seconds(heard)} ago): ${evidence}`;
  record(turn, 'lost', message);
  breakView(turn, worker, message);
}

/** Removes a worker that is heard but makes no progress, or cannot be reached by its peers. */
export function evict(turn: Turn, worker: RunWorker, reason: string): void {
  dismiss(turn, worker, {
    type: 'evicted',
    reason: `${worker.name}: ${reason}`,
    untilMs: turn.nowMs + EVICTION_TIMEOUTS * turn.timeouts.silenceMs,
  });
  breakView(turn, worker, reason);
}

/** Dismisses a worker, which is not accepted again before `untilMs`. */
export function dismiss(
  turn: Turn,
  worker: RunWorker,
  { type, reason, untilMs }: { readonly type: 'refused' | 'evicted'; readonly reason: string; readonly untilMs: number },
): void {
  const { id: workerId, name } = worker;
  record(turn, type, reason);
  update(turn, { refusals: [...turn.run.refusals.filter((each) => each.workerId !== workerId), { workerId, name, untilMs, reason }] });
  release(turn, worker, { reason, writeCheckpoint: false });
  removeWorker(turn, workerId);
}
