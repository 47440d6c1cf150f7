import { type ErrorCode, MaestroError, type StepCommitted, type View } from '@maestro/protocol';
import type {
  Leaving,
  MemberEffect,
  MemberEvent,
  MemberState,
  MemberTransition,
  ReleaseRequest,
  SessionNow,
  WorkedView,
} from './memberState.ts';
import { toldBy } from './toldBy.ts';

/** What ends a view but not the member: the coordinator forms another one. All else ends the member's part in the job. */
const HELD_BY: ReadonlySet<ErrorCode> = new Set([
  'peer-lost',
  'timeout',
  'protocol-violation',
  'unavailable',
  'conflict',
  'cancelled',
  'redis-unavailable',
  'checkpoint-invalid',
]);

/**
 * What still counts of a member that has left: ends of what it could not wait for, and checkpoints, which are there for whoever comes next.
 */
const STILL_COUNTS: ReadonlySet<MemberEvent['type']> = new Set([
  'opened',
  'openFailed',
  'runEnded',
  'runFailed',
  'saved',
  'saveFailed',
  'checkpoint',
  'checkpointFailed',
  'closed',
]);

/** A transition under way: the state as it is by now, and the effects so far. It never leaves {@link transition}. */
interface Turn {
  state: MemberState;
  readonly effects: MemberEffect[];
  readonly now: SessionNow;
}

/**
 * The next state of a member, and the effects of getting there. Pure: no clock, no I/O, no randomness; what is so of the session comes in.
 * As the coordinator's, it has two halves: what happened is noted, then what the state asks for is done, whatever led there.
 */
export function transition(state: MemberState, event: MemberEvent, now: SessionNow): MemberTransition {
  if (state.life === 'closed' || (state.life === 'left' && !STILL_COUNTS.has(event.type))) return { state, effects: [] };
  const turn: Turn = { state, effects: [], now };
  take(turn, event);
  advance(turn);
  return { state: turn.state, effects: turn.effects };
}

/** Notes what happened. */
function take(turn: Turn, event: MemberEvent): void {
  const { state, now } = turn;
  switch (event.type) {
    case 'opened':
      update(turn, { session: 'open' });
      if (state.life !== 'opening') return;
      update(turn, { life: 'open' });
      return state.release === undefined ? turnTo(turn, 'ready') : undefined;
    case 'openFailed':
      update(turn, { session: 'none' });
      if (state.life === 'opening') fail(turn, event.error);
      return;
    case 'view':
      if (event.view.generation <= Math.max(state.generation, state.next?.generation ?? 0) || isLeaving(state)) return;
      update(turn, { next: event.view });
      return giveUp(turn, 'a newer view came');
    case 'go':
      if (!isAt(state, event.generation) || state.status !== 'formed' || state.worked!.isGivenUp) return;
      update(turn, { status: 'working' });
      return effect(turn, { type: 'start', generation: event.generation });
    case 'hold': {
      const { generation, isAbort, notBefore, writeCheckpoint, reason } = event.hold;
      if (!isAt(state, generation)) return;
      return isAbort ? giveUp(turn, reason) : effect(turn, { type: 'hold', generation, notBefore, writeCheckpoint });
    }
    case 'acknowledge':
      return update(turn, { reports: state.reports.filter(({ step }) => step > event.step) });
    case 'save':
      if (state.life !== 'open' || !now.canSave || (state.status !== 'held' && state.status !== 'finished')) return;
      return save(turn);
    case 'release':
      return state.release === undefined ? release(turn, event.request) : undefined;
    case 'formed':
      if (!isAt(state, event.generation) || state.status !== 'forming' || state.worked!.isGivenUp) return;
      update(turn, { stateHash: event.stateHash });
      return turnTo(turn, 'formed');
    case 'applied':
      return addReport(turn, event.report);
    case 'committed':
      return commit(turn, event.report);
    case 'skipped': {
      const { jobId } = state;
      const { generation, step, images } = event;
      return effect(turn, { type: 'send', message: { kind: 'skipped', jobId, generation, step, images } });
    }
    case 'runEnded':
    case 'runFailed':
      return endRun(turn, event);
    case 'saved':
      return update(turn, { saves: state.saves - 1 });
    case 'saveFailed':
      update(turn, { saves: state.saves - 1 });
      return tellFailedCheckpoint(turn, event);
    case 'checkpoint': {
      const { jobId, generation } = state;
      const { step, path, hash } = event;
      return effect(turn, { type: 'send', message: { kind: 'checkpoint', jobId, generation, step, path, hash } });
    }
    case 'checkpointFailed':
      return tellFailedCheckpoint(turn, event);
    case 'snapshotLost':
      return tell(turn);
    case 'late':
      return takeLate(turn, event.what);
    case 'closed':
      return update(turn, { session: 'none' });
  }
}

/** Does what the state asks for. */
function advance(turn: Turn): void {
  const { life, worked, fault, next, session, saves } = turn.state;
  switch (life) {
    case 'opening':
      return;
    case 'open':
      if (worked?.isOver === false) return;
      if (fault !== undefined || turn.state.release !== undefined) return stop(turn);
      return next === undefined ? undefined : takeUp(turn, next);
    case 'stopping':
      return isIdle(turn.state) ? lastCheckpoint(turn) : undefined;
    case 'saving':
      return saves === 0 ? close(turn) : undefined;
    case 'closing':
      return session === 'none' ? leave(turn) : undefined;
    case 'left':
      return finish(turn);
    case 'closed':
      return;
  }
}

/** Takes up a view: works for it, or serves what it holds to one that goes on without this worker. */
function takeUp(turn: Turn, view: View): void {
  const { next: _taken, ...rest } = turn.state;
  turn.state = { ...rest, generation: view.generation };
  stopServing(turn);
  if (!view.members.some(({ id }) => id === turn.state.self)) {
    update(turn, { isServing: true });
    return effect(turn, { type: 'serve', view });
  }
  const { failure: _old, ...state } = turn.state;
  const worked: WorkedView = { view, isOver: false, isGivenUp: false, toldStep: -1 };
  turn.state = { ...state, status: 'forming', stateHash: '', worked, runs: [...state.runs, view.generation] };
  effect(turn, { type: 'run', view });
}

/**
 * Ends the work for the present view at once: nobody is to blame. What its run has under way in the trainer may take its time, unless it
 * changes the state, or that is to be written before the member leaves.
 */
function giveUp(turn: Turn, why: string): void {
  const { worked, release: released, leaveMs } = turn.state;
  if (worked === undefined || worked.isOver) return;
  if (!worked.isGivenUp) {
    updateWorked(turn, { isGivenUp: true });
    effect(turn, { type: 'abort', generation: worked.view.generation, reason: asked(why) });
  }
  if (!turn.now.isChanging && released?.writeCheckpoint !== true) return over(turn, 'held');
  if (released?.writeCheckpoint === false) effect(turn, { type: 'after', ms: leaveMs, what: 'view' });
}

/** The run of a view has ended. */
function endRun(turn: Turn, event: Extract<MemberEvent, { type: 'runEnded' | 'runFailed' }>): void {
  const { worked, runs, life } = turn.state;
  const { generation } = event;
  update(turn, { runs: runs.filter((each) => each !== generation) });
  if (worked?.view.generation !== generation) return;
  if (worked.isOver) {
    // A state that was being loaded when the view was given up may be whole after all.
    if (life === 'open' && turn.state.release === undefined && turn.now.step !== worked.toldStep) tell(turn);
    return;
  }
  if (event.type === 'runEnded') return over(turn, event.outcome);
  const { error } = event;
  if (!HELD_BY.has(error.code)) {
    updateWorked(turn, { isOver: true });
    effect(turn, { type: 'abort', generation, reason: error });
    return fail(turn, error);
  }
  if (!isAsked(error)) update(turn, { failure: error });
  over(turn, 'held');
}

/** The view is over for this member: it says where it stands. */
function over(turn: Turn, status: 'held' | 'finished'): void {
  const { worked, failure } = turn.state;
  updateWorked(turn, { isOver: true, toldStep: turn.now.step });
  effect(turn, { type: 'viewOver', view: worked!.view, status, ...(failure !== undefined && { failure }) });
  turnTo(turn, status);
}

function commit(turn: Turn, report: StepCommitted): void {
  addReport(turn, report);
  const { worked, self, generation } = turn.state;
  const isFirst = worked?.view.members[0]?.id === self;
  // Of an older view it is told with where the member stands.
  if (isFirst && report.generation === generation) effect(turn, { type: 'send', message: { kind: 'committed', ...report } });
}

/** A step that is computed again, after a view that failed, has the same content. */
function addReport(turn: Turn, report: StepCommitted): void {
  const { isFaultTolerant, reports } = turn.state;
  if (isFaultTolerant) update(turn, { reports: [...reports.filter(({ step }) => step < report.step), report] });
}

/** The first request counts. */
function release(turn: Turn, request: ReleaseRequest): void {
  const { life, leaveMs } = turn.state;
  if (life !== 'opening' && life !== 'open') return;
  update(turn, { release: request });
  if (life === 'open') return giveUp(turn, request.reason);
  effect(turn, { type: 'giveUpOpening', reason: asked(request.reason) });
  effect(turn, { type: 'after', ms: leaveMs, what: 'opening' });
}

/** What is waited for takes longer than a member that leaves may take. */
function takeLate(turn: Turn, what: Extract<MemberEvent, { type: 'late' }>['what']): void {
  const { life, worked, release: released } = turn.state;
  if (what === 'opening' && life === 'opening') {
    fail(turn, asked(released!.reason));
    leave(turn);
  } else if (what === 'view' && life === 'open' && worked?.isOver === false && released?.writeCheckpoint === false) over(turn, 'held');
  else if (what === 'stopping' && life === 'stopping') close(turn);
  else if (what === 'closing' && life === 'closing') leave(turn);
}

function fail(turn: Turn, error: MaestroError): void {
  update(turn, { fault: { error, step: turn.now.step }, life: 'open' });
}

/** Begins to leave: what is under way in the trainer comes to its end, within bounds where no checkpoint depends on it. */
function stop(turn: Turn): void {
  const { fault, release: released, leaveMs } = turn.state;
  update(turn, { life: 'stopping' });
  stopServing(turn);
  if (fault === undefined) effect(turn, { type: 'leave' });
  if (isIdle(turn.state)) return lastCheckpoint(turn);
  if (fault !== undefined || released?.writeCheckpoint === false) effect(turn, { type: 'after', ms: leaveMs, what: 'stopping' });
}

function lastCheckpoint(turn: Turn): void {
  const { fault, release: released } = turn.state;
  if (fault !== undefined || released?.writeCheckpoint !== true || !turn.now.canSave) return close(turn);
  update(turn, { life: 'saving' });
  save(turn);
}

function save(turn: Turn): void {
  update(turn, { saves: turn.state.saves + 1 });
  effect(turn, { type: 'save' });
}

function close(turn: Turn): void {
  update(turn, { life: 'closing' });
  closeSession(turn);
  effect(turn, { type: 'after', ms: turn.state.leaveMs, what: 'closing' });
}

function closeSession(turn: Turn): void {
  update(turn, { session: 'closing' });
  effect(turn, { type: 'close', leaving: leavingOf(turn) });
}

function leave(turn: Turn): void {
  const { jobId, generation, fault } = turn.state;
  const { outcome, reason, step } = leavingOf(turn);
  update(turn, { life: 'left' });
  const errorCode = fault?.error.code ?? '';
  effect(turn, { type: 'send', message: { kind: 'left', jobId, generation, step, outcome, errorCode, errorMessage: reason } });
  effect(turn, { type: 'ended' });
  finish(turn);
}

/** The member has left: what comes to its end later is closed behind it. */
function finish(turn: Turn): void {
  const { session } = turn.state;
  if (session === 'open') return closeSession(turn);
  if (session !== 'none' || !isIdle(turn.state)) return;
  update(turn, { life: 'closed' });
  effect(turn, { type: 'closed' });
}

function leavingOf({ state: { fault, release: released }, now }: Turn): Leaving {
  if (fault === undefined) return { outcome: 'released', reason: released!.reason, step: now.step };
  const { error, step } = fault;
  const outcome = released !== undefined && error.code === 'cancelled' ? 'released' : 'failed';
  return { outcome, reason: error.message, error, step };
}

function tellFailedCheckpoint(turn: Turn, { step, message }: { readonly step: number; readonly message: string }): void {
  const { jobId } = turn.state;
  effect(turn, { type: 'send', message: { kind: 'checkpointFailed', jobId, step, errorMessage: message } });
}

function stopServing(turn: Turn): void {
  if (!turn.state.isServing) return;
  update(turn, { isServing: false });
  effect(turn, { type: 'stopServing' });
}

function turnTo(turn: Turn, status: MemberState['status']): void {
  update(turn, { status });
  tell(turn);
}

/** One that has failed is in no view any more, and about to say so. */
function tell(turn: Turn): void {
  if (turn.state.fault === undefined) effect(turn, { type: 'tell', told: toldBy(turn.state) });
}

function update(turn: Turn, changes: Partial<MemberState>): void {
  turn.state = { ...turn.state, ...changes };
}

function updateWorked(turn: Turn, changes: Partial<WorkedView>): void {
  update(turn, { worked: { ...turn.state.worked!, ...changes } });
}

function effect(turn: Turn, next: MemberEffect): void {
  turn.effects.push(next);
}

function isIdle({ runs, saves }: MemberState): boolean {
  return runs.length === 0 && saves === 0;
}

/** Whether the view of that generation is the one that the member works for. */
function isAt({ worked, generation }: MemberState, of: number): boolean {
  return of === generation && worked?.view.generation === of && !worked.isOver;
}

function isLeaving({ life, release: released, fault }: MemberState): boolean {
  return released !== undefined || fault !== undefined || (life !== 'opening' && life !== 'open');
}

/** The reason of a view's end that somebody asked for: nobody is to blame. */
function asked(reason: string): MaestroError {
  return new MaestroError('cancelled', reason, { details: { isAsked: true } });
}

function isAsked({ details }: MaestroError): boolean {
  return details['isAsked'] === true;
}
