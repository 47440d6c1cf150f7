import type { Standing } from '@maestro/protocol';
import { adoptPrecision } from '../decidePrecision.ts';
import { isAlike } from '../identity/identity.ts';
import { release } from '../release.ts';
import { newWorker, refusalOf } from '../state/runState.ts';
import { acknowledge, commit } from '../step/commitStep.ts';
import { stop } from '../stopRun.ts';
import type { WorkerRef } from './assignRanks.ts';
import { fail } from './failView.ts';
import { resendView } from './formView.ts';
import { hold, sendHold } from './holdView.ts';
import { isOut, send, type Turn, update, updateWorker, workerOf } from './turn.ts';

const OVER = { isAbort: true, reason: 'the view is over' } as const;

/** Handles a worker's report of its standing: the meaning depends on where the run believes it to be, which may be another view or none. */
export function stand(turn: Turn, ref: WorkerRef, standing: Standing): void {
  const { id: jobId } = turn.run.facts;
  const refusal = refusalOf(turn.run, ref.id, turn.nowMs);
  // Whatever becomes of the worker, its steps are done. Those that it no longer reports are in the ledger.
  for (const report of standing.reports) if (report.step > turn.run.step) commit(turn, report);
  acknowledge(turn, standing.step);
  if (workerOf(turn, ref.id) === undefined) {
    // Redis lost the job's start; one that made way has to wait for its next turn.
    if (turn.run.phase === 'queued' && turn.run.preemption === undefined) update(turn, { phase: 'starting' });
    const isOpen = (turn.run.phase === 'starting' || turn.run.phase === 'running') && refusal === undefined;
    if (!isOpen || !adoptPrecision(turn, ref.name, standing.identityJson)) {
      return send(turn, ref.id, { kind: 'release', jobId, writeCheckpoint: false, reason: refusal ?? `the job is ${turn.run.phase}` });
    }
    update(turn, { workers: [...turn.run.workers, newWorker(ref, turn.nowMs)] });
  }
  const { awaySinceMs: _away, ...before } = workerOf(turn, ref.id)!;
  update(turn, { workers: turn.run.workers.map((each) => (each.id === ref.id ? { ...before, lastHeardMs: turn.nowMs } : each)) });
  if (!isAlike(turn, before, standing)) return;
  if (before.isReleased) return release(turn, before, { reason: 'it was released', writeCheckpoint: before.isLastWriter === true });

  const { generation, status, step, shards, errorMessage, results } = standing;
  if (Object.keys(results).length > 0) update(turn, { results });
  if (generation > turn.run.generation) {
    // Redis lost a view: its members are unknown, so it is ended, and its generation is not reused.
    const { view: _unknown, ...rest } = turn.run;
    turn.run = { ...rest, generation };
  }
  const { view } = turn.run;
  const isMember = view?.members.some(({ id }) => id === ref.id) === true;
  const isFree = isOut({ ...before, status });
  if (isMember && generation < turn.run.generation && view.status !== 'holding') {
    // The view has not reached it: its report belongs to an earlier one.
    if (status === 'preparing') return;
    if (!isFree) return sendHold(turn, ref.id, generation, OVER);
    const isAsBefore = view.status === 'forming' && (step === view.startStep || !view.sources.includes(ref.id));
    if (isAsBefore) return resendView(turn, ref.id);
    hold(turn, { isAbort: true, reason: `${ref.name} has left view ${turn.run.generation}` });
  }
  updateWorker(turn, ref.id, { status, generation, state: step, shards });
  if (isFree || status === 'preparing') {
    const isUnasked = view?.status !== 'holding' || (!view.isAbort && errorMessage !== '');
    if (status === 'held' && isMember && isUnasked) fail(turn, workerOf(turn, ref.id)!, standing);
    return;
  }
  if (!isMember) return sendHold(turn, ref.id, generation, OVER);
  if (status === 'formed' && !isSameState(turn, ref.name, standing.stateHash)) return;
  // A step that all end together needs this one too.
  const isStarted = view.status === 'working' || (view.status === 'holding' && !view.isAbort);
  if (status === 'formed' && isStarted) send(turn, ref.id, { kind: 'go', jobId, generation });
  if (view.status === 'holding') sendHold(turn, ref.id, generation, view);
}

/** Checks that members which restored or initialised independently have reached the same state. */
function isSameState(turn: Turn, name: string, stateHash: string): boolean {
  const { view } = turn.run;
  if (view === undefined || stateHash === '' || view.stateHash === undefined) {
    if (view !== undefined && stateHash !== '') update(turn, { view: { ...view, stateHash } });
    return true;
  }
  if (view.stateHash === stateHash) return true;
  const message =
    `${name} came to another state of step ${view.startStep} than its peers (${stateHash.slice(0, 12)}, ` +
    `${view.stateHash.slice(0, 12)})`;
  stop(turn, { state: 'failed', reason: 'StateMismatch', message });
  return false;
}
