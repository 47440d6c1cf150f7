import { recipeOf } from '@maestro/protocol';
import type { PrecisionChoice } from '../placement/choosePrecision.ts';
import { decidePrecision } from './decidePrecision.ts';
import { noteLastWrite } from './state/lastWrite.ts';
import { type JobRun, newWorker, openPlaces, type RunContext, type RunEvent, type RunWorker, type Transition } from './state/runState.ts';
import { nameBroken, takeLedger } from './step/brokenImages.ts';
import { acknowledge, commit } from './step/commitStep.ts';
import { pause, preempt, settleStop, stop } from './stopRun.ts';
import { leave } from './view/failView.ts';
import { formView, go } from './view/formView.ts';
import { lose } from './view/loseWorker.ts';
import { plan } from './view/planView.ts';
import { stand } from './view/stand.ts';
import { effect, isOut, names, presentMembers, record, send, type Turn, update, updateWorker, workerOf } from './view/turn.ts';
import { watch } from './watchRun.ts';

/** More views than a coordinator can form without persisting them before it dies. */
const UNWRITTEN_VIEWS = 100;

/** Returns the next state of a run, and the effects of the transition. Pure: the clock is part of the context. */
export function transition(run: JobRun, event: RunEvent, { nowMs, timeouts }: RunContext): Transition {
  if (run.phase === 'ended') return { run, effects: [] };
  const turn: Turn = { run, effects: [], nowMs, timeouts };
  take(turn, event);
  advance(turn);
  return { run: turn.run, effects: turn.effects };
}

/** Records the event. What follows from the new state is for {@link advance}. */
function take(turn: Turn, event: RunEvent): void {
  const worker = 'workerId' in event ? workerOf(turn, event.workerId) : undefined;
  switch (event.type) {
    case 'assigned':
      return assign(turn, event);
    case 'standing':
      return stand(turn, event.worker, event.standing);
    case 'heartbeat': {
      if (worker === undefined) return;
      const { generation: _generation, jobId: _jobId, ...activity } = event.heartbeat;
      return updateWorker(turn, worker.id, { ...activity, lastHeardMs: turn.nowMs });
    }
    case 'committed':
      return commit(turn, event.committed);
    case 'acknowledged':
      return acknowledge(turn, event.step);
    case 'skipped':
      return nameBroken(turn, event.images);
    case 'checkpoint': {
      const { step, path } = event.checkpoint;
      const { restore: _older, ...rest } = turn.run;
      turn.run = { ...rest, checkpointStep: Math.max(step, rest.checkpointStep) };
      // A reconnecting worker reports its newest one again.
      if (step !== rest.checkpointStep) record(turn, 'checkpoint', `checkpoint of step ${step} at ${path}`);
      return effect(turn, { type: 'addCheckpoint', checkpoint: event.checkpoint });
    }
    case 'checkpointFailed': {
      const name = worker?.name ?? event.workerId;
      noteLastWrite(turn, { step: event.failed.step, error: event.failed.errorMessage });
      return record(
        turn,
        'checkpoint',
        `${name} could not write the checkpoint of step ${event.failed.step}: ${event.failed.errorMessage}`,
      );
    }
    case 'left':
      return worker === undefined ? undefined : leave(turn, worker, event.left);
    case 'drain':
      return worker === undefined ? undefined : updateWorker(turn, worker.id, { drain: event.reason });
    case 'disconnected': {
      if (worker === undefined) return;
      const isBlamed = (turn.run.blames[worker.name] ?? 0) >= 1;
      if (event.isDead === true || isBlamed || worker.isReleased) return lose(turn, worker, event.evidence);
      return updateWorker(turn, worker.id, { awaySinceMs: turn.nowMs });
    }
    case 'restorePoint':
      update(turn, { restore: event.point });
      return event.note === '' ? undefined : record(turn, 'restore', event.note);
    case 'pause':
      return pause(turn, event.reason);
    case 'preempt':
      return preempt(turn, event.reason);
    case 'resume':
      return turn.run.phase === 'paused'
        ? update(turn, { phase: 'queued', message: 'waiting to be scheduled', queuedMs: turn.nowMs })
        : undefined;
    case 'cancel':
      return stop(turn, { state: 'cancelled', reason: 'Cancelled', message: event.reason });
    case 'fault':
      return stop(turn, { state: 'failed', reason: event.reason, message: event.message });
    case 'recovered':
      if (event.ledger !== undefined) takeLedger(turn, event.ledger);
      return recover(turn, event.incarnation);
    case 'tick': {
      const { outage: before, ...rest } = turn.run;
      if (event.outage !== undefined) turn.run = { ...rest, outage: event.outage, excusedMs: turn.nowMs };
      else if (before !== undefined) turn.run = rest;
      return watch(turn);
    }
  }
}

/** Does what the state requires: the same however it was reached, so that a restarted coordinator continues where the last one was. */
function advance(turn: Turn): void {
  const { phase, view } = turn.run;
  if (phase === 'stopping' || phase === 'pausing') return settleStop(turn);
  if (phase !== 'starting' && phase !== 'running') return;
  if (view === undefined) return formView(turn);
  const members = presentMembers(turn);
  // The first member of a view writes the last checkpoint before it reports that it has finished.
  if (members[0]?.id === view.members[0]!.id && members.every(({ status }) => status === 'finished')) {
    const { step, facts } = turn.run;
    // When the data was not visible at submit, this shows only now.
    const isNothing = step > 0 && step <= facts.startPoint.step;
    const message = isNothing
      ? `nothing to do: the checkpoint that it goes on from has ${step} steps done already`
      : `finished after ${step} steps${resultText(turn.run)}`;
    return stop(turn, { state: 'succeeded', reason: 'Finished', message });
  }
  if (view.status === 'holding') {
    if (!members.every(isOut)) return;
    const { view: _over, ...rest } = turn.run;
    turn.run = rest;
    return formView(turn);
  }
  if (view.status === 'forming') {
    if (members.length === view.members.length && members.every(({ status }) => status !== 'forming')) go(turn);
    return;
  }
  plan(turn);
}

/** Formats the results for a job's final message. */
function resultText({ results, facts }: JobRun): string {
  const text = results && recipeOf(facts.spec).summary?.(results);
  return text === undefined ? '' : `: ${text}`;
}

/**
 * Workers have a failure timeout, besides the usual grace, to find the new coordinator; their queues are filled meanwhile. The last
 * coordinator may have sent views that it did not live to persist, so their numbers are skipped.
 */
function recover(turn: Turn, incarnation: number): void {
  const { workers, generation, view, step, incarnation: before, skipped } = turn.run;
  const { nowMs, timeouts } = turn;
  update(turn, {
    workers: workers.map((worker) => ({ ...worker, awaySinceMs: nowMs + timeouts.silenceMs, lastHeardMs: nowMs })),
    lastCommitMs: nowMs,
    recoveredMs: nowMs,
    incarnation,
    skipped: Math.max(skipped, generation) + UNWRITTEN_VIEWS * Math.max(1, incarnation - before),
  });
  if (view === undefined) return;
  effect(turn, { type: 'openGeneration', generation, step: view.startStep });
  effect(turn, { type: 'enqueueShards', step });
}

/** What `precision: auto` becomes when nothing is known of the workers. */
const UNKNOWN: PrecisionChoice = { precision: 'standard', reason: 'precision auto: standard, which runs anywhere' };

function assign(turn: Turn, { workers, choice = UNKNOWN }: Extract<RunEvent, { type: 'assigned' }>): void {
  const { run, nowMs } = turn;
  if (run.phase !== 'queued' && openPlaces(run) < workers.length) return;
  decidePrecision(turn, choice);
  const { id: jobId, spec } = turn.run.facts;
  const added = workers.map((worker): RunWorker => newWorker(worker, nowMs));
  update(turn, { workers: [...run.workers, ...added] });
  if (run.phase === 'queued') start(turn);
  else record(turn, 'joined', `${names(added)} prepare${added.length === 1 ? 's' : ''} to join`);
  for (const { id } of added) send(turn, id, { kind: 'prepare', jobId, specJson: JSON.stringify(spec) });
}

/** Starts a queued job whose turn has come. */
function start(turn: Turn): void {
  const { preemption, ...rest } = turn.run;
  turn.run = { ...rest, phase: 'starting', waitedMs: rest.waitedMs + Math.max(0, turn.nowMs - rest.queuedMs) };
  if (preemption !== undefined) record(turn, 'state', `goes on after it was ${preemption}`);
}
