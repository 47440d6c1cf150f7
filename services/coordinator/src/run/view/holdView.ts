import type { RunWorker } from '../state/runState.ts';
import { isBusy, presentMembers, record, send, type Turn, update } from './turn.ts';

/** Options of ending a view. */
export interface HoldOrder {
  readonly isAbort: boolean;
  readonly reason: string;
  /** Steps that must be done before it ends. */
  readonly notBefore?: number;
  /** True to persist the state at its end: a sharded one cannot be collected later. */
  readonly writeCheckpoint?: boolean;
}

/** Ends the view: at once, or after a step that all members end together. */
export function hold(turn: Turn, { isAbort, reason, notBefore = 0, writeCheckpoint = false }: HoldOrder): void {
  const { view, generation, stepsRedone } = turn.run;
  if (view === undefined || (view.status === 'holding' && (view.isAbort || !isAbort))) return;
  const { lastWrite: _over, ...run } = turn.run;
  turn.run = run;
  const isStepLost = isAbort && view.status !== 'forming';
  update(turn, {
    view: { ...view, status: 'holding', sinceMs: turn.nowMs, isAbort, reason, notBefore, writeCheckpoint },
    stepsRedone: stepsRedone + (isStepLost ? 1 : 0),
  });
  record(turn, 'hold', `view ${generation} ends ${isAbort ? 'at once' : 'after a step'}: ${reason}`);
  for (const worker of presentMembers(turn)) {
    if (isBusy(worker) && !worker.isReleased) sendHold(turn, worker.id, generation, { isAbort, reason, notBefore, writeCheckpoint });
  }
}

/** Tells one worker to stop: at once, or after a step that all members end together. */
export function sendHold(turn: Turn, workerId: string, generation: number, order: HoldOrder): void {
  const { isAbort, reason, notBefore = 0, writeCheckpoint = false } = order;
  send(turn, workerId, { kind: 'hold', jobId: turn.run.facts.id, generation, isAbort, notBefore, writeCheckpoint, reason });
}

/** Ends the view at once if the worker is one of its members. */
export function breakView(turn: Turn, { id }: RunWorker, reason: string): void {
  const { view } = turn.run;
  if (view?.members.some((member) => member.id === id) === true) hold(turn, { isAbort: true, reason });
}
