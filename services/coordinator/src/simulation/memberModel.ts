import { stepFolder } from '@maestro/checkpoint';
import type { CoordinatorMessage, Heartbeat, MemberStatus, Standing, StepCommitted, View, WorkerMessage } from '@maestro/protocol';
import type { PeerFailure, Peers, Seat } from './peers.ts';
import { type CurrentView, createStepsModel } from './stepsModel.ts';
import { createTrainerModel } from './trainerModel.ts';
import { lineageOf, type ModelState, viewText, type World } from './world.ts';

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

const NOBODY: PeerFailure = { code: 'cancelled', message: 'asked', suspect: '' };

/** Starts a member. */
export function createMember(world: World, options: MemberModelOptions): MemberModel {
  const { clock, dice, disk, violate } = world;
  const { name, id, jobId, peers, send, later } = options;
  let state: ModelState = { step: -1, lineage: 0 };
  let isOpened = false;
  let status: MemberStatus = 'preparing';
  let generation = 0;
  let failure: PeerFailure | undefined;
  let reports: StepCommitted[] = [];
  let current: CurrentView | undefined;
  let next: View | undefined;
  let released: { readonly reason: string; readonly writeCheckpoint: boolean } | undefined;
  let isWaiting = false;
  let isOver = false;
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
    disk.set(step, `/checkpoints/${jobId}/${stepFolder(step)}`);
    world.damaged.delete(step);
    send({ kind: 'checkpoint', jobId, generation, step, path: `/checkpoints/${jobId}/${stepFolder(step)}`, hash: 'h' });
  };
  const trainer = createTrainerModel(later);

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
    trainer.onceIdle(() => {
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
  const finish = (here: CurrentView, to: 'held' | 'finished', why?: PeerFailure, isDone = false): void => {
    if (here.isOver) return;
    here.isOver = true;
    failure = why;
    status = to;
    peers.leave(here.seat, isDone ? undefined : (why ?? NOBODY));
    onPhase(Math.max(0, state.step), to);
    tell();
    wait();
  };
  const abort = (here: CurrentView, why: PeerFailure | undefined): void => {
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
      onReduced: (step, isHeld) => options.whenAwake(() => steps.reduced(here, step, isHeld)),
      onFailed: (why) => options.whenAwake(() => abort(here, why)),
    };
    const here: CurrentView = { view, seat, isOver: false, isFormed: false, holdAt: Number.POSITIVE_INFINITY, pending: undefined };
    current = here;
    onPhase(startStep, 'forming');
    peers.join(seat);
    trainer.onceIdle(() => {
      isIdle = true;
      if (isRestored) return formed();
      if (here.isOver) return;
      state = { step: -1, lineage: 0 };
      const ms = dice.between(20, 800);
      trainer.run(ms, () => {
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

  const steps = createStepsModel(world, {
    ...options,
    trainer,
    state: () => state,
    setState(next) {
      state = next;
    },
    onPhase,
    write,
    finish,
    abort,
    addReport(report) {
      reports = [...reports.filter((each) => each.step < report.step), report];
    },
    onLateState(here) {
      isStateLate = true;
      if (here === current && released === undefined) tell();
    },
  });

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
          return steps.start(current);
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
          return trainer.run(ms, () => write(step));
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
