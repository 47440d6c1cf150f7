import { jobSchedule, windowOfStep } from '@maestro/data';
import type { Left, Standing, StepCommitted } from '@maestro/protocol';
import { betterAssignment, type WorkerRef } from './assignRanks.ts';
import { formView, release } from './formView.ts';
import { isSharded } from './newestState.ts';
import type { JobRun, Outcome, RunContext, RunEvent, RunWorker, Transition } from './runState.ts';
import { openPlaces, refusalOf } from './runState.ts';
import {
  effect,
  isBusy,
  isOut,
  names,
  presentMembers,
  record,
  removeWorker,
  seconds,
  send,
  type Turn,
  update,
  updateWorker,
  workerOf,
} from './turn.ts';

/** Views in a row that may fail without a committed step between them before the job is given up. */
const MOST_FAILURES = 12;
/** A member that peers blamed so often without a committed step between is evicted, though the coordinator hears it. */
const MOST_BLAMES = 2;
/** An evicted worker is not taken back for so many failure timeouts. */
const EVICTION_TIMEOUTS = 6;
/** How long a last checkpoint may take, in milliseconds, while the worker gives signs of life. */
const STOP_MS = 120_000;
/** How much the newest step counts in the mean step time. */
const STEP_WEIGHT = 0.2;
/** A re-balancing must save this much in the next window, many times what a change of view costs. */
const REBALANCE_WORTH_SECONDS = 2;
/** A re-balancing is decided so many steps before the end of a window, so that all members hear of it in time. */
const REBALANCE_NOTICE = 2;
const OVER = { isAbort: true, reason: 'the view is over' } as const;
/** Errors of a worker that every worker would meet: the job ends with them. */
const FATAL_CODES: ReadonlySet<string> = new Set(['invalid-argument', 'data-invalid', 'non-finite', 'storage']);

/** The next state of a run, and the effects of getting there. Pure: the clock comes in with the context. */
export function transition(run: JobRun, event: RunEvent, { nowMs, timeouts }: RunContext): Transition {
  if (run.phase === 'ended') return { run, effects: [] };
  const turn: Turn = { run, effects: [], nowMs, timeouts };
  take(turn, event);
  advance(turn);
  return { run: turn.run, effects: turn.effects };
}

/** Notes what happened. What follows from the state that it leaves is for {@link advance}. */
function take(turn: Turn, event: RunEvent): void {
  const worker = 'workerId' in event ? workerOf(turn, event.workerId) : undefined;
  switch (event.type) {
    case 'assigned':
      return assign(turn, event.workers);
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
    case 'checkpoint': {
      const { step, path } = event.checkpoint;
      const { restore: _older, ...rest } = turn.run;
      turn.run = { ...rest, checkpointStep: Math.max(step, rest.checkpointStep) };
      record(turn, 'checkpoint', `checkpoint of step ${step} at ${path}`);
      return effect(turn, { type: 'addCheckpoint', checkpoint: event.checkpoint });
    }
    case 'checkpointFailed': {
      const name = worker?.name ?? event.workerId;
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
      const isBlamed = (turn.run.blames[worker.name] ?? 0) > 0;
      if (event.isDead === true || isBlamed || worker.isReleased) return lose(turn, worker, event.evidence);
      return updateWorker(turn, worker.id, { awaySinceMs: turn.nowMs });
    }
    case 'restorePoint':
      update(turn, { restore: event.point });
      return event.note === '' ? undefined : record(turn, 'restore', event.note);
    case 'pause':
      return pause(turn, event.reason);
    case 'resume':
      return turn.run.phase === 'paused' ? update(turn, { phase: 'queued', message: 'waiting to be scheduled' }) : undefined;
    case 'cancel':
      return stop(turn, { state: 'cancelled', reason: 'Cancelled', message: event.reason });
    case 'fault':
      return stop(turn, { state: 'failed', reason: event.reason, message: event.message });
    case 'recovered':
      return recover(turn);
    case 'tick':
      return watch(turn);
  }
}

/** Does what the state asks for: the same whatever led there, so that a coordinator that starts over goes on where the last one was. */
function advance(turn: Turn): void {
  const { phase, view } = turn.run;
  if (phase === 'stopping' || phase === 'pausing') return settleStop(turn);
  if (phase !== 'starting' && phase !== 'running') return;
  if (view === undefined) return formView(turn);
  const members = presentMembers(turn);
  // The first member of a view writes the last checkpoint before it says that it has finished.
  if (members[0]?.id === view.members[0]!.id && members.every(({ status }) => status === 'finished')) {
    const message = `finished after ${turn.run.step} steps`;
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

/** The ledger knows more than the run: it was written by an earlier coordinator. */
function acknowledge(turn: Turn, step: number): void {
  if (step <= turn.run.step) return;
  update(turn, { step });
  effect(turn, { type: 'enqueueShards', step });
}

/** Workers have a failure timeout, beside the usual grace, to find the new coordinator; their queues are filled meanwhile. */
function recover(turn: Turn): void {
  const { workers, generation, view, step } = turn.run;
  const { nowMs, timeouts } = turn;
  update(turn, {
    workers: workers.map((worker) => ({ ...worker, awaySinceMs: nowMs + timeouts.silenceMs, lastHeardMs: nowMs })),
    lastCommitMs: nowMs,
  });
  if (view === undefined) return;
  effect(turn, { type: 'openGeneration', generation, step: view.startStep });
  effect(turn, { type: 'enqueueShards', step });
}

function assign(turn: Turn, workers: readonly WorkerRef[]): void {
  const { run, nowMs } = turn;
  if (run.phase !== 'queued' && openPlaces(run) < workers.length) return;
  const { id: jobId, spec } = run.facts;
  const added = workers.map((worker): RunWorker => newWorker(worker, nowMs));
  update(turn, { workers: [...run.workers, ...added] });
  if (run.phase === 'queued') update(turn, { phase: 'starting' });
  else record(turn, 'joined', `${names(added)} prepare${added.length === 1 ? 's' : ''} to join`);
  for (const { id } of added) send(turn, id, { kind: 'prepare', jobId, specJson: JSON.stringify(spec) });
}

function newWorker({ name, id, address }: WorkerRef, nowMs: number): RunWorker {
  return {
    name,
    id,
    address,
    status: 'assigned',
    generation: 0,
    state: -1,
    shards: [],
    step: 0,
    phase: 'preparing',
    phaseSeconds: 0,
    waitingFor: '',
    rankSeconds: 0,
    lastHeardMs: nowMs,
    isReleased: false,
  };
}

function stand(turn: Turn, ref: WorkerRef, standing: Standing): void {
  const { id: jobId } = turn.run.facts;
  const refusal = refusalOf(turn.run, ref.id, turn.nowMs);
  if (workerOf(turn, ref.id) === undefined) {
    if (turn.run.phase === 'queued') update(turn, { phase: 'starting' });
    if ((turn.run.phase !== 'starting' && turn.run.phase !== 'running') || refusal !== undefined) {
      return send(turn, ref.id, { kind: 'release', jobId, writeCheckpoint: false, reason: refusal ?? `the job is ${turn.run.phase}` });
    }
    update(turn, { workers: [...turn.run.workers, newWorker(ref, turn.nowMs)] });
  }
  const { awaySinceMs: _away, ...before } = workerOf(turn, ref.id)!;
  update(turn, { workers: turn.run.workers.map((each) => (each.id === ref.id ? { ...before, lastHeardMs: turn.nowMs } : each)) });
  if (!isAlike(turn, before, standing)) return;
  for (const report of standing.reports) commit(turn, report);
  if (before.isReleased) return release(turn, before, { reason: 'it was released', writeCheckpoint: false });

  const { generation, status, step, shards, errorMessage } = standing;
  if (generation > turn.run.generation) {
    // Redis forgot a view: its members are unknown, so it is ended, and its number is not used again.
    const { view: _unknown, ...rest } = turn.run;
    turn.run = { ...rest, generation };
  }
  const { view } = turn.run;
  const isMember = view?.members.some(({ id }) => id === ref.id) === true;
  const isFree = isOut({ ...before, status });
  if (isMember && generation < turn.run.generation) {
    // The view has not reached it: what it says is of an earlier one.
    if (isFree) resendView(turn, ref.id);
    else if (status !== 'preparing') sendHold(turn, ref.id, generation, OVER);
    return;
  }
  updateWorker(turn, ref.id, { status, generation, state: step, shards });
  if (isFree || status === 'preparing') {
    const isUnasked = view?.status !== 'holding' || (!view.isAbort && errorMessage !== '');
    if (status === 'held' && isMember && isUnasked) fail(turn, workerOf(turn, ref.id)!, standing);
    return;
  }
  if (!isMember) return sendHold(turn, ref.id, generation, OVER);
  if (view.status === 'holding') return sendHold(turn, ref.id, generation, view);
  if (status === 'formed' && !isSameState(turn, ref.name, standing.stateHash)) return;
  if (status === 'formed' && view.status === 'working') send(turn, ref.id, { kind: 'go', jobId, generation });
}

/** Whether a worker has what all members must have in common; one that has not is sent away. */
function isAlike(turn: Turn, worker: RunWorker, { identityJson, datasetLength, stateLength }: Standing): boolean {
  if (identityJson === '') return true;
  const identity = JSON.parse(identityJson) as Readonly<Record<string, unknown>>;
  const common = turn.run.common ?? { by: worker.name, identity, datasetLength, stateLength };
  const differences = Object.keys({ ...common.identity, ...identity }).filter((key) => common.identity[key] !== identity[key]);
  if (differences.length === 0) {
    update(turn, { common });
    return true;
  }
  const named = differences.map((key) => `${key} ${identity[key]} where ${common.by} has ${common.identity[key]}`).join(', ');
  const reason = `${worker.name} differs from its peers, so the bits would depend on who computes: ${named}`;
  dismiss(turn, worker, { type: 'refused', reason, untilMs: Number.MAX_SAFE_INTEGER });
  return false;
}

/** Members that restored or initialised on their own must have come to the same state. */
function isSameState(turn: Turn, name: string, stateHash: string): boolean {
  const { view } = turn.run;
  if (view === undefined || stateHash === '' || view.stateHash === undefined) {
    if (view !== undefined && stateHash !== '') update(turn, { view: { ...view, stateHash } });
    return true;
  }
  if (view.stateHash === stateHash) return true;
  const message = `${name} came to another state of step ${view.startStep} than its peers (${stateHash.slice(0, 12)}, ${view.stateHash.slice(0, 12)})`;
  stop(turn, { state: 'failed', reason: 'StateMismatch', message });
  return false;
}

function resendView(turn: Turn, workerId: string): void {
  const { view, generation, facts } = turn.run;
  const { members, startStep, restoreFrom, sources, holders } = view!;
  send(turn, workerId, { kind: 'view', jobId: facts.id, generation, members, startStep, restoreFrom, sources, holders });
}

/** A member's view broke; the others stop too, and the next view is formed. */
function fail(turn: Turn, worker: RunWorker, { errorCode, errorMessage, suspect, step }: Standing): void {
  const failures = turn.run.failures + 1;
  const count = (turn.run.blames[suspect] ?? 0) + 1;
  update(turn, { failures, ...(suspect !== '' && { blames: { ...turn.run.blames, [suspect]: count } }) });
  const message = `${worker.name} at step ${step}: ${errorMessage || 'it holds'}`;
  if (errorCode === 'checkpoint-invalid') {
    const { restore, facts } = turn.run;
    const isGiven = restore?.path !== undefined && restore.path === facts.spec.checkpoint.resumeFrom;
    if (isGiven) return stop(turn, { state: 'failed', reason: 'CheckpointInvalid', message });
    const { restore: _bad, ...rest } = turn.run;
    turn.run = rest;
  }
  if (failures >= MOST_FAILURES) {
    return stop(turn, {
      state: 'failed',
      reason: reasonOf(errorCode),
      message: `gave up after ${failures} views without a committed step; last: ${message}`,
    });
  }
  hold(turn, { isAbort: true, reason: message });
  const blamed = turn.run.workers.find(({ name }) => name === suspect);
  if (blamed?.awaySinceMs !== undefined) lose(turn, blamed, `its control stream broke, and ${message}`);
  else if (failures >= MOST_BLAMES) evictMostBlamed(turn, message);
}

/** Peers cannot reach one whom the coordinator hears: it goes, so that the rest can work. Of two that blame each other it is the later one. */
function evictMostBlamed(turn: Turn, evidence: string): void {
  const { blames } = turn.run;
  const candidates = presentMembers(turn).filter(({ name }) => (blames[name] ?? 0) >= MOST_BLAMES);
  const worst = candidates.reduce<RunWorker | undefined>(
    (most, each) => (most === undefined || blames[each.name]! >= blames[most.name]! ? each : most),
    undefined,
  );
  if (worst !== undefined && presentMembers(turn).length > 1) evict(turn, worst, `its peers cannot work with it: ${evidence}`);
}

/** Takes a worker out that is heard but does not move, or cannot be reached by its peers. */
function evict(turn: Turn, worker: RunWorker, reason: string): void {
  dismiss(turn, worker, {
    type: 'evicted',
    reason: `${worker.name}: ${reason}`,
    untilMs: turn.nowMs + EVICTION_TIMEOUTS * turn.timeouts.silenceMs,
  });
  breakView(turn, worker, reason);
}

function dismiss(
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

/** Takes a worker out that is dead or out of reach. */
function lose(turn: Turn, worker: RunWorker, evidence: string): void {
  removeWorker(turn, worker.id);
  effect(turn, { type: 'disconnect', workerId: worker.id, reason: evidence });
  if (worker.isReleased) return;
  const heard = turn.nowMs - worker.lastHeardMs;
  const message = `lost worker ${worker.name} at step ${worker.step} (last heard in ${worker.phase}, ${seconds(heard)} ago): ${evidence}`;
  record(turn, 'lost', message);
  breakView(turn, worker, message);
}

function breakView(turn: Turn, { id }: RunWorker, reason: string): void {
  const { view } = turn.run;
  if (view?.members.some((member) => member.id === id) === true) hold(turn, { isAbort: true, reason });
}

interface HoldOrder {
  readonly isAbort: boolean;
  readonly reason: string;
  readonly notBefore?: number;
  /** Whether the state is written down at its end: one in parts cannot be collected later. */
  readonly writeCheckpoint?: boolean;
}

/** Ends the view: at once, or after a step that all members end together. */
function hold(turn: Turn, { isAbort, reason, notBefore = 0, writeCheckpoint = false }: HoldOrder): void {
  const { view, generation, stepsRedone } = turn.run;
  if (view === undefined || (view.status === 'holding' && (view.isAbort || !isAbort))) return;
  const isStepLost = isAbort && view.status !== 'forming';
  update(turn, {
    view: { ...view, status: 'holding', sinceMs: turn.nowMs, isAbort, reason },
    stepsRedone: stepsRedone + (isStepLost ? 1 : 0),
  });
  record(turn, 'hold', `view ${generation} ends ${isAbort ? 'at once' : 'after a step'}: ${reason}`);
  for (const worker of presentMembers(turn)) {
    if (isBusy(worker) && !worker.isReleased) sendHold(turn, worker.id, generation, { isAbort, reason, notBefore, writeCheckpoint });
  }
}

function sendHold(turn: Turn, workerId: string, generation: number, order: HoldOrder): void {
  const { isAbort, reason, notBefore = 0, writeCheckpoint = false } = order;
  send(turn, workerId, { kind: 'hold', jobId: turn.run.facts.id, generation, isAbort, notBefore, writeCheckpoint, reason });
}

function go(turn: Turn): void {
  const { view, generation, facts } = turn.run;
  const { members, startStep } = view!;
  for (const { id } of members) {
    if (workerOf(turn, id)!.status !== 'formed') continue;
    updateWorker(turn, id, { status: 'working' });
    send(turn, id, { kind: 'go', jobId: facts.id, generation });
  }
  update(turn, {
    phase: 'running',
    view: { ...view!, status: 'working', sinceMs: turn.nowMs },
    lastCommitMs: turn.nowMs,
    message: `training on ${names(members)}`,
  });
  const shares = members.map(({ name, firstRank, ranks }) => `${name} ${firstRank}..${firstRank + ranks - 1}`).join(', ');
  record(turn, 'view', `view ${generation} works from step ${startStep}: virtual ranks ${shares}`);
}

/** Ends a view at a step boundary when there is a better one to be had. */
function plan(turn: Turn): void {
  const { run } = turn;
  const { view, facts, step, workers } = run;
  const members = presentMembers(turn);
  const leaving = members.filter(({ drain }) => drain !== undefined);
  if (leaving.length > 0) {
    // More may follow before their parts have gone to others.
    const writeCheckpoint = isSharded(run);
    return hold(turn, { isAbort: false, reason: `${names(leaving)} leave${leaving.length === 1 ? 's' : ''}`, writeCheckpoint });
  }
  // Until the first step is committed, members may still be pulling from one that is none.
  const isNeeded = ({ id }: RunWorker): boolean => run.lastCommitMs <= view!.sinceMs && view!.holders.some((holder) => holder.id === id);
  for (const worker of workers) {
    const isIdle = worker.drain !== undefined && !worker.isReleased && !isBusy(worker);
    if (isIdle && !isNeeded(worker)) release(turn, worker, { reason: worker.drain, writeCheckpoint: false });
  }
  if (step <= view!.startStep) return;
  const { virtualRanks, maxWorkers = virtualRanks } = facts.spec.resources;
  const isMember = ({ id }: RunWorker): boolean => view!.members.some((member) => member.id === id);
  const joining = workers.filter(
    (worker) => isOut(worker) && !isMember(worker) && !worker.isReleased && worker.drain === undefined && worker.awaySinceMs === undefined,
  );
  if (joining.length > 0 && members.length < maxWorkers) {
    return hold(turn, { isAbort: false, reason: `${names(joining)} join${joining.length === 1 ? 's' : ''}` });
  }
  rebalance(turn);
}

/** Near the end of a window: deals the ranks anew when measured times say that the step would be a fifth shorter. */
function rebalance(turn: Turn): void {
  const { view, facts, common, step, workers } = turn.run;
  if (common === undefined || view!.members.length < 2 || step < view!.startStep + REBALANCE_NOTICE) return;
  const schedule = jobSchedule(facts.spec, common.datasetLength);
  if (step >= schedule.totalSteps) return;
  const window = windowOfStep(schedule, step);
  const end = window.firstStep + window.steps;
  if (end - step > REBALANCE_NOTICE || end >= schedule.totalSteps) return;
  const better = betterAssignment({ members: view!.members, workers, virtualRanks: schedule.virtualRanks });
  if (better === undefined || (better.beforeSeconds - better.afterSeconds) * schedule.windowSteps < REBALANCE_WORTH_SECONDS) return;
  const ms = (value: number): string => `${Math.round(value * 1000)} ms`;
  const reason = `${better.slowest} is slow: computing ${ms(better.beforeSeconds)} a step would become ${ms(better.afterSeconds)} with other shares`;
  record(turn, 'rebalance', reason);
  hold(turn, { isAbort: false, reason, notBefore: end });
}

function commit(turn: Turn, committed: StepCommitted): void {
  const { step, stepSeconds } = committed;
  const { run } = turn;
  if (step <= run.step) {
    // Computed again after all workers were lost: known to the ledger, but a sign of life, and its data is needed again.
    update(turn, { lastCommitMs: turn.nowMs });
    return effect(turn, { type: 'enqueueShards', step });
  }
  const members = run.pastViews.find(({ generation }) => generation === committed.generation)?.members ?? [];
  effect(turn, { type: 'commitStep', committed, members });
  effect(turn, { type: 'enqueueShards', step });
  update(turn, {
    step,
    failures: 0,
    blames: {},
    lastCommitMs: turn.nowMs,
    stepSeconds: run.stepSeconds === 0 ? stepSeconds : run.stepSeconds * (1 - STEP_WEIGHT) + stepSeconds * STEP_WEIGHT,
  });
}

function leave(turn: Turn, worker: RunWorker, { outcome, errorCode, errorMessage, step }: Left): void {
  removeWorker(turn, worker.id);
  if (outcome !== 'failed' || worker.isReleased) return;
  const message = `${worker.name} failed at step ${Math.max(0, step)}: ${errorMessage}`;
  // What nobody has managed to open is not one worker's fault.
  if (FATAL_CODES.has(errorCode) || turn.run.common === undefined)
    return stop(turn, { state: 'failed', reason: reasonOf(errorCode), message });
  const failures = turn.run.failures + 1;
  record(turn, 'refused', message);
  update(turn, {
    failures,
    refusals: [...turn.run.refusals, { workerId: worker.id, name: worker.name, untilMs: Number.MAX_SAFE_INTEGER, reason: message }],
  });
  if (failures >= MOST_FAILURES) return stop(turn, { state: 'failed', reason: reasonOf(errorCode), message });
  breakView(turn, worker, message);
}

function pause(turn: Turn, reason: string): void {
  const { phase } = turn.run;
  if (phase === 'queued') return update(turn, { phase: 'paused', message: reason });
  if (phase !== 'starting' && phase !== 'running') return;
  record(turn, 'state', `pausing: ${reason}`);
  update(turn, { phase: 'pausing', message: reason, stopDeadlineMs: turn.nowMs + STOP_MS });
  const { view } = turn.run;
  if (view?.status === 'working') hold(turn, { isAbort: false, reason, writeCheckpoint: isSharded(turn.run) });
  else if (view?.status === 'forming') hold(turn, { isAbort: true, reason });
}

/** Ends the job: at once while nobody works for it, else after its workers have left. */
function stop(turn: Turn, outcome: Outcome): void {
  const { phase, view } = turn.run;
  if (phase === 'stopping' || phase === 'ended') return;
  update(turn, { phase: 'stopping', outcome, message: outcome.message, stopDeadlineMs: turn.nowMs + STOP_MS });
  const isCollected = isSharded(turn.run) && outcome.state === 'cancelled' && view?.status === 'working';
  if (isCollected) hold(turn, { isAbort: false, reason: outcome.message, writeCheckpoint: true });
  else releaseAll(turn, outcome.message, outcome.state !== 'succeeded');
}

/** Tells everyone to go; one that has the newest state writes it down first. */
function releaseAll(turn: Turn, reason: string, isCheckpointWanted: boolean): void {
  const { workers, view, step, checkpointStep } = turn.run;
  const inView = presentMembers(turn).filter(({ awaySinceMs }) => awaySinceMs === undefined);
  const furthest = Math.max(-1, ...workers.map(({ state }) => state));
  const writer =
    view !== undefined && view.status !== 'forming' && inView.length > 0 ? inView[0] : workers.find(({ state }) => state === furthest);
  for (const worker of workers) {
    const writeCheckpoint = isCheckpointWanted && worker.id === writer?.id && Math.max(step, furthest) > checkpointStep;
    if (!worker.isReleased) release(turn, worker, { reason, writeCheckpoint });
  }
}

function settleStop(turn: Turn): void {
  const { phase, view, workers, outcome, stopDeadlineMs, message } = turn.run;
  if (workers.some(({ isReleased }) => !isReleased)) {
    const isOver = view === undefined || presentMembers(turn).every(isOut);
    if (isOver) releaseAll(turn, message, true);
  }
  if (turn.run.workers.length > 0 && turn.nowMs < stopDeadlineMs!) return;
  for (const { id } of workers) effect(turn, { type: 'disconnect', workerId: id, reason: 'it did not leave in time' });
  effect(turn, { type: 'closeQueues' });
  const { view: _view, restore: _restore, stopDeadlineMs: _deadline, ...rest } = turn.run;
  const isPaused = phase === 'pausing';
  turn.run = { ...rest, workers: [], phase: isPaused ? 'paused' : 'ended', message: isPaused ? message : outcome!.message };
}

/** Sees who is gone, silent, or stands in the way. */
function watch(turn: Turn): void {
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

/** `data-invalid` -> `DataInvalid`. */
function reasonOf(code: string): string {
  return code.replace(/(^|-)([a-z])/g, (_, _dash, letter: string) => letter.toUpperCase()) || 'WorkerFailed';
}
