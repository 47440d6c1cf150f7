import type { RunWorker } from './state/runState.ts';
import { send, type Turn, updateWorker } from './view/turn.ts';

/** Tells a worker to close everything it opened for the job. */
export function release(
  turn: Turn,
  { id, releasedMs = turn.nowMs }: RunWorker,
  { reason, writeCheckpoint }: { readonly reason: string; readonly writeCheckpoint: boolean },
): void {
  updateWorker(turn, id, { isReleased: true, releasedMs, isLastWriter: writeCheckpoint });
  send(turn, id, { kind: 'release', jobId: turn.run.facts.id, writeCheckpoint, reason });
}
