import type { CoordinatorMessage, Heartbeat, MemberStatus, Standing, StepCommitted, View, WorkerMessage } from '@maestro/protocol';
import type { PeerFailure, Peers, Seat } from './peers.ts';
import { lineageOf, type ModelState, nextLineage, viewText, type World } from './world.ts';

/** Steps between two checkpoints. */
const CHECKPOINT_STEPS = 5;
/** So long a member tries to open its queues. */
const REDIS_TIMEOUT_MS = 5000;

/** What a member needs beside the world. */
export interface MemberModelOptions {
  readonly name: string;
  readonly id: string;
  readonly jobId: string;
  readonly peers: Peers;
  readonly send: (message: WorkerMessage) => void;
  /** Does something after a delay, if the process lives then, once it runs. */
  readonly later: (delayMs: number, action: () => void) => void;
  readonly whenAwake: (action: () => void) => void;
  readonly isAwake: () => boolean;
  readonly slowness: () => number;
  readonly isHung: () => boolean;
  readonly identity: number;
}

type ToMember = Exclude<CoordinatorMessage, { kind: 'welcome' | 'prepare' | 'refused' }>;

/** A model of `member.ts`: the same answers to the same messages, with time passing instead of work done. */
export interface MemberModel {
  readonly jobId: string;
  readonly state: ModelState;
  readonly status: MemberStatus;
  readonly generation: number;
  readonly isLeaving: boolean;
  /** It has a state that it may not have told yet: what was under way when its view ended has ended well. */
  readonly isStateLate: boolean;
  onEnded: () => void;
  receive(message: ToMember): void;
  release(request: { readonly reason: string; readonly writeCheckpoint: boolean }): void;
  standing(): Standing;
  heartbeat(): Heartbeat;
  /** The process was killed. */
  die(): void;
  /** Its streams to its peers, or to one of them, have ended. */
  lostPeers(): void;
  lostPeer(name: string): void;
  /** An error that is its own. */
  fail(errorCode: string): void;
}

interface Current {
  readonly view: View;
  readonly seat: Seat;
  isOver: boolean;
  isFormed: boolean;
  holdAt: number;
  /** While it applies a step, what ends the view waits. */
  pending: { readonly failure: PeerFailure | undefined } | undefined;
}

const NOBODY: PeerFailure = { code: 'cancelled', message: 'asked', suspect: '' };

/** Starts a member. */
export function createMember(world: World, options: MemberModelOptions): MemberModel {
  const { clock, dice, disk, violate, totalSteps } = world;
  const { name, id, jobId, peers, send, later } = options;
  let state: ModelState = { step: -1, lineage: 0 };
  let isOpened = false;
  let status: MemberStatus = 'preparing';
  let generation = 0;
  let failure: PeerFailure | undefined;
  let reports: StepCommitted[] = [];
  let current: Current | undefined;
  let next: View | undefined;
  let released: { readonly reason: string; readonly writeCheckpoint: boolean } | undefined;
  let isWaiting = false;
  let isOver = false;
  /** What the trainer has under way, whatever becomes of its view. */
  let underWay = 0;
  let idlers: (() => void)[] = [];
  let activity = { step: 0, phase: 'preparing', sinceMs: clock.nowMs };
  let stateHash = '';
  let isStateLate = false;

  const onPhase = (step: number, phase: string): void => {
    activity = { step, phase, sinceMs: clock.nowMs };
  };
  const standing = (): Standing => ({
    jobId,
    generation,
    status,
    step: state.step,
    datasetLength: isOpened ? 64 : 0,
    identityJson: isOpened ? `{"threads":${options.identity}}` : '',
    stateHash,
    reports,
    errorCode: failure?.code ?? '',
    errorMessage: failure?.message ?? '',
    suspect: failure?.suspect ?? '',
    shards: [],
    stateLength: 0,
    results: {},
  });
  const tell = (): void => send({ kind: 'standing', ...standing() });
  const write = (step: number): void => {
    disk.set(step, `/checkpoints/${step}`);
    world.damaged.delete(step);
    send({ kind: 'checkpoint', jobId, generation, step, path: `/checkpoints/${step}`, hash: 'h' });
  };
  const inTrainer = (ms: number, action: () => void): void => {
    underWay++;
    later(ms, () => {
      underWay--;
      action();
      if (underWay > 0) return;
      const ready = idlers;
      idlers = [];
      for (const each of ready) onceIdle(each);
    });
  };
  const onceIdle = (action: () => void): void => {
    if (underWay > 0) idlers.push(action);
    else action();
  };

  const wait = (): void => {
    if (released !== undefined) return leave();
    if (next === undefined) {
      isWaiting = true;
      return;
    }
    const view = next;
    next = undefined;
    follow(view);
  };
  const wake = (): void => {
    if (!isWaiting) return;
    isWaiting = false;
    wait();
  };
  const leave = (): void => {
    onPhase(state.step, 'stopping');
    onceIdle(() => {
      const { writeCheckpoint, reason } = released!;
      const end = (): void => {
        send({ kind: 'left', jobId, generation, step: state.step, outcome: 'released', errorCode: '', errorMessage: reason });
        isOver = true;
        model.onEnded();
      };
      if (!writeCheckpoint || state.step < 0) return later(dice.between(1, 50), end);
      later(dice.between(50, 800), () => {
        write(state.step);
        end();
      });
    });
  };

  /** The view is over for this member: it says where it stands, and waits. */
  const finish = (here: Current, to: 'held' | 'finished', why?: PeerFailure, isDone = false): void => {
    if (here.isOver) return;
    here.isOver = true;
    failure = why;
    status = to;
    peers.leave(here.seat, isDone ? undefined : (why ?? NOBODY));
    onPhase(Math.max(0, state.step), to);
    tell();
    wait();
  };
  const abort = (here: Current, why: PeerFailure | undefined): void => {
    if (here.isOver) return;
    if (activity.phase === 'apply') here.pending ??= { failure: why };
    else finish(here, 'held', why);
  };

  const follow = (view: View): void => {
    const { startStep, sources, restoreFrom } = view;
    const known = world.views.get(view.generation);
    if (known !== viewText(view)) violate(`${id} follows another view ${view.generation} than was sent: ${viewText(view)}; sent: ${known}`);
    generation = view.generation;
    isStateLate = false;
    status = 'forming';
    stateHash = '';
    failure = undefined;
    let isJoined = false;
    let joinedMs = 0;
    let isIdle = false;
    let isRestored = sources.length > 0;
    const formed = (): void => {
      if (here.isOver || !isJoined || !isIdle || !isRestored || here.isFormed) return;
      if (!world.isRedisUp) {
        if (clock.nowMs - joinedMs < REDIS_TIMEOUT_MS) return later(200, formed);
        return abort(here, { code: 'redis-unavailable', message: 'Redis does not answer', suspect: '' });
      }
      here.isFormed = true;
      status = 'formed';
      tell();
    };
    const seat: Seat = {
      view,
      id,
      name,
      isJoined: false,
      isOpen: true,
      gave: undefined,
      isDue: false,
      failed: undefined,
      isAwake: options.isAwake,
      state: () => state,
      onJoined: () =>
        options.whenAwake(() => {
          isJoined = true;
          joinedMs = clock.nowMs;
          formed();
        }),
      onReduced: (step, isHeld) => options.whenAwake(() => reduced(here, step, isHeld)),
      onFailed: (why) => options.whenAwake(() => abort(here, why)),
    };
    const here: Current = { view, seat, isOver: false, isFormed: false, holdAt: Number.POSITIVE_INFINITY, pending: undefined };
    current = here;
    onPhase(startStep, 'forming');
    peers.join(seat);
    onceIdle(() => {
      isIdle = true;
      if (isRestored) return formed();
      if (here.isOver) return;
      state = { step: -1, lineage: 0 };
      const ms = dice.between(20, 800);
      inTrainer(ms, () => {
        if (restoreFrom !== '' && (!disk.has(startStep) || world.damaged.has(startStep))) {
          // Now it shows.
          disk.delete(startStep);
          return abort(here, { code: 'checkpoint-invalid', message: `${restoreFrom}: it is damaged`, suspect: '' });
        }
        state = { step: startStep, lineage: lineageOf(startStep) };
        isRestored = true;
        stateHash = `hash ${startStep}`;
        formed();
      });
    });
  };

  const start = (here: Current): void => {
    const { startStep, sources } = here.view;
    if (state.step === startStep) return begin(here, startStep);
    onPhase(startStep, 'heal');
    later(dice.between(50, 900), () => {
      if (here.isOver) return;
      const source = here.view.members.find(({ id: of }) => of === sources[0])!;
      const serving = peers.seatOf(generation, source.id);
      if (serving === undefined || !serving.isAwake()) {
        return abort(here, { code: 'peer-lost', message: `heal: ${source.name} is lost`, suspect: source.name });
      }
      const got = serving.state();
      if (got.step !== startStep)
        violate(`${id} heals from ${source.id}, which has step ${got.step} where the view starts at ${startStep}`);
      // What was begun goes on even when the view is given up meanwhile.
      state = { step: -1, lineage: 0 };
      const ms = dice.between(1, 200);
      inTrainer(ms, () => {
        state = got;
        if (!here.isOver) return begin(here, startStep);
        isStateLate = true;
        if (here === current && released === undefined) tell();
      });
    });
  };
  const begin = (here: Current, step: number): void => {
    if (here.isOver) return;
    if (step >= totalSteps) return complete(here);
    onPhase(step, 'lease');
    const lease = (): void => {
      if (here.isOver) return;
      if (!world.isRedisUp) return later(200, lease);
      onPhase(step, 'compute');
      compute(here, step);
    };
    lease();
  };
  const compute = (here: Current, step: number): void => {
    later(dice.between(80, 250) * options.slowness(), () => {
      if (here.isOver) return;
      if (options.isHung()) return compute(here, step);
      onPhase(step, 'reduce');
      peers.give(here.seat, step, step + 1 >= here.holdAt);
    });
  };
  const reduced = (here: Current, step: number, isHeld: boolean): void => {
    if (here.isOver) return;
    onPhase(step, 'apply');
    const ms = dice.between(5, 60);
    inTrainer(ms, () => {
      if (state.step !== step) violate(`${id} applies step ${step} to state ${state.step}`);
      state = { step: step + 1, lineage: nextLineage(state.lineage, step) };
      if (state.lineage !== lineageOf(step + 1)) violate(`${id} has diverged at step ${step + 1}`);
      const isFirst = here.view.members[0]!.id === id;
      const report = { jobId, generation, step: step + 1, loss: state.lineage, gradNorm: 1, lr: 1, images: 8, stepSeconds: 0.3, ranks: [] };
      reports = [...reports.filter((each) => each.step < report.step), report];
      if (isFirst) send({ kind: 'committed', ...report });
      if (isFirst && (step + 1) % CHECKPOINT_STEPS === 0 && step + 1 < totalSteps) later(dice.between(20, 600), () => write(step + 1));
      onPhase(step, 'report');
      if (here.pending !== undefined) return finish(here, 'held', here.pending.failure);
      if (isHeld) return finish(here, 'held', undefined, true);
      begin(here, step + 1);
    });
  };
  const complete = (here: Current): void => {
    if (here.view.members[0]!.id !== id) return finish(here, 'finished', undefined, true);
    onPhase(totalSteps, 'checkpoint');
    const ms = dice.between(50, 500);
    inTrainer(ms, () => {
      write(totalSteps);
      finish(here, 'finished', undefined, true);
    });
  };

  const model: MemberModel = {
    jobId,
    onEnded: () => undefined,
    get state() {
      return state;
    },
    get status() {
      return status;
    },
    get generation() {
      return generation;
    },
    get isStateLate() {
      return isStateLate;
    },
    get isLeaving() {
      return released !== undefined;
    },
    receive(message) {
      switch (message.kind) {
        case 'view':
          if (message.generation <= Math.max(generation, next?.generation ?? 0)) return;
          next = message;
          if (current !== undefined && !current.isOver) return abort(current, undefined);
          return wake();
        case 'go':
          if (message.generation !== generation || current === undefined || status !== 'formed') return;
          status = 'working';
          return start(current);
        case 'hold':
          if (message.generation !== generation || current === undefined) return;
          if (message.isAbort) abort(current, undefined);
          else current.holdAt = message.notBefore;
          return;
        case 'acknowledge':
          reports = reports.filter(({ step }) => step > message.step);
          return;
        case 'save': {
          if (state.step < 0 || (status !== 'held' && status !== 'finished')) return;
          const { step } = state;
          const ms = dice.between(20, 600);
          return inTrainer(ms, () => write(step));
        }
        case 'release':
          return model.release(message);
      }
    },
    release(request) {
      if (released !== undefined) return;
      released = request;
      if (current !== undefined && !current.isOver) return abort(current, undefined);
      wake();
    },
    standing,
    heartbeat: () => {
      const { step, phase, sinceMs } = activity;
      const isWaitingForPeers = phase === 'reduce';
      return {
        jobId,
        generation,
        step,
        phase,
        phaseSeconds: (clock.nowMs - sinceMs) / 1000,
        waitingFor: isWaitingForPeers ? 'a peer' : phase === 'lease' ? 'redis' : '',
        rankSeconds: 0.1 * options.slowness(),
      };
    },
    die() {
      if (current !== undefined) {
        current.isOver = true;
        current.seat.isOpen = false;
      }
    },
    lostPeers() {
      const others = current?.view.members.filter((other) => other.id !== id) ?? [];
      if (others.length > 0) model.lostPeer(dice.pick(others).name);
    },
    lostPeer(peer) {
      const here = current;
      if (here === undefined || !here.view.members.some((member) => member.name === peer)) return;
      options.whenAwake(() => {
        if (here.seat.isJoined) peers.broken(here.seat, { code: 'peer-lost', message: `${peer} is lost`, suspect: peer });
      });
    },
    fail(errorCode) {
      if (isOver || current === undefined || current.isOver) return;
      current.isOver = true;
      isOver = true;
      peers.leave(current.seat, { code: errorCode, message: `it is ${errorCode}`, suspect: '' });
      send({ kind: 'left', jobId, generation, step: state.step, outcome: 'failed', errorCode, errorMessage: `it is ${errorCode}` });
      model.onEnded();
    },
  };
  onPhase(0, 'preparing');
  later(dice.between(100, 1500), () => {
    isOpened = true;
    if (released === undefined) {
      status = 'ready';
      onPhase(0, 'ready');
      tell();
    }
    wait();
  });
  return model;
}
