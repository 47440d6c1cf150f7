import type { HostEvent, RunHandle } from '@maestro/member';
import { MaestroError, type View } from '@maestro/protocol';
import type { Peers, Seat } from './peers.ts';
import type { TrainerModel } from './trainerModel.ts';
import { isCut, lineageOf, type ModelState, NO_STATE, nextLineage, type World } from './world.ts';

/** Steps between two checkpoints. */
const CHECKPOINT_STEPS = 5;
/** So long a member tries to open its queues. */
const REDIS_TIMEOUT_MS = 5000;
/** Parts of a step's computation: it is broken off between them. */
const PARTS = 2;

/** What a run needs of its member. */
export interface ViewRunOptions {
  readonly view: View;
  readonly name: string;
  readonly id: string;
  readonly jobId: string;
  readonly peers: Peers;
  readonly trainer: TrainerModel;
  /** The state that the trainer holds. */
  readonly session: { state: ModelState };
  readonly tell: (event: HostEvent) => void;
  /** Does something after a delay, if the process lives then, once it runs. */
  readonly later: (delayMs: number, action: () => void) => void;
  readonly whenAwake: (action: () => void) => void;
  readonly isAwake: () => boolean;
  readonly slowness: () => number;
  readonly isHung: () => boolean;
  readonly onPhase: (step: number, phase: string) => void;
  /** Writes the checkpoint of a step, at once. */
  readonly write: (step: number) => void;
  /** Copies the state, and writes its checkpoint behind the steps. */
  readonly writeBehind: (step: number) => void;
}

/** A view that is worked for, as `runView` of the worker does. */
export interface ViewRun extends RunHandle {
  readonly view: View;
  /** It changes the state: to break off would leave one that is of use to nobody. */
  readonly isApplying: boolean;
  /** Its stream to a peer broke. */
  lostPeer(name: string): void;
  /** Something of its own breaks it. */
  fail(error: MaestroError): void;
  /** Its process was killed. */
  die(): void;
}

/**
 * Works for a view in virtual time: joins the peers, comes to the state of the first step, and trains. As in a worker, what the trainer has
 * begun comes to its end before the run does, whatever was asked for meanwhile.
 */
export function startViewRun(world: World, options: ViewRunOptions): ViewRun {
  const { clock, dice, disk, violate, totalSteps } = world;
  const { view, name, id, jobId, peers, trainer, session, tell, later, whenAwake, onPhase } = options;
  const { generation, members, startStep, sources, restoreFrom } = view;
  const isFirst = members[0]!.id === id;
  const isRestoring = sources.length === 0;
  let giveBack: (() => void) | undefined;
  let isBusy = false;
  let isEnded = false;
  let isStarted = false;
  let isApplying = false;
  let isRestored = !isRestoring;
  let isFormed = false;
  let readySinceMs: number | undefined;
  let holdAt = Number.POSITIVE_INFINITY;
  /** Why it is to end before its time. */
  let failure: MaestroError | undefined;

  const end = (event: HostEvent): void => {
    isEnded = true;
    peers.leave(seat);
    later(dice.chance(0.1) ? dice.between(5, 300) : dice.between(0, 5), () => {
      tell(event);
      giveBack!();
    });
  };
  const endFailed = (): void => end({ type: 'runFailed', generation, error: failure! });
  const breakOff = (error: MaestroError): void => {
    if (isEnded) return;
    failure ??= error;
    if (giveBack !== undefined && !isBusy) endFailed();
  };
  /** Waits; nothing comes of it when the run has ended meanwhile. */
  const wait = (ms: number, next: () => void): void =>
    later(ms, () => {
      if (!isEnded) next();
    });
  /** The trainer works, and is not broken off. */
  const work = (ms: number, change: () => void, next: () => void): void => {
    isBusy = true;
    later(ms, () => {
      if (options.isHung()) return work(100, change, next);
      isBusy = false;
      change();
      if (isEnded) return;
      if (failure === undefined) next();
      else endFailed();
    });
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
    state: () => session.state,
    onJoined: () => whenAwake(() => form()),
    onReduced: (step, isHeld) =>
      whenAwake(() => {
        if (!isEnded && failure === undefined) apply(step, isHeld);
      }),
    onFailed: (error) =>
      whenAwake(() => {
        peers.leave(seat, error);
        breakOff(error);
      }),
  };

  const restore = (): void => {
    wait(dice.between(20, 800), () => {
      if (restoreFrom !== '' && (!disk.has(startStep) || world.damaged.has(startStep))) {
        // Now it shows.
        disk.delete(startStep);
        return breakOff(new MaestroError('checkpoint-invalid', `${restoreFrom}: it is damaged`));
      }
      session.state = NO_STATE;
      const load = (): void => {
        session.state = { step: startStep, lineage: lineageOf(startStep) };
        isRestored = true;
      };
      work(dice.between(1, 200), load, form);
    });
  };
  const form = (): void => {
    if (isEnded || isBusy || isFormed || giveBack === undefined || !isRestored || !seat.isJoined) return;
    readySinceMs ??= clock.nowMs;
    if (!world.isRedisUp) {
      if (clock.nowMs - readySinceMs < REDIS_TIMEOUT_MS) return wait(200, form);
      return breakOff(new MaestroError('redis-unavailable', 'Redis does not answer'));
    }
    isFormed = true;
    tell({ type: 'formed', generation, stateHash: isRestoring ? `hash ${startStep}` : '' });
  };
  const heal = (): void => {
    onPhase(startStep, 'heal');
    wait(dice.between(50, 900), () => {
      const source = members.find((member) => member.id === sources[0])!;
      const serving = peers.seatOf(generation, source.id);
      if (serving === undefined || !serving.isAwake() || isCut(world, name, source.name)) {
        return breakOff(new MaestroError('peer-lost', `heal: ${source.id} is lost`, { details: { member: source.id } }));
      }
      const got = serving.state();
      if (got.step !== startStep)
        violate(`${id} heals from ${source.id}, which has step ${got.step} where the view starts at ${startStep}`);
      session.state = NO_STATE;
      const load = (): void => {
        session.state = got;
      };
      work(dice.between(1, 200), load, () => lease(startStep));
    });
  };
  const lease = (step: number): void => {
    if (step >= totalSteps) return complete();
    onPhase(step, 'lease');
    const attempt = (): void => (world.isRedisUp ? compute(step) : wait(200, attempt));
    attempt();
  };
  const compute = (step: number): void => {
    onPhase(step, 'compute');
    const part = (left: number): void =>
      work(
        (dice.between(80, 250) * options.slowness()) / PARTS,
        () => undefined,
        () => (left > 1 ? part(left - 1) : reduce(step)),
      );
    part(PARTS);
  };
  const reduce = (step: number): void => {
    onPhase(step, 'reduce');
    peers.give(seat, step, step + 1 >= holdAt);
  };
  const apply = (step: number, isHeld: boolean): void => {
    onPhase(step, 'apply');
    isApplying = true;
    const change = (): void => {
      isApplying = false;
      const before = session.state;
      if (before.step !== step) violate(`${id} applies step ${step} to state ${before.step}`);
      const lineage = nextLineage(before.lineage, step);
      session.state = { step: step + 1, lineage };
      if (lineage !== lineageOf(step + 1)) violate(`${id} has diverged at step ${step + 1}`);
      const report = { jobId, generation, step: step + 1, metrics: { loss: lineage }, images: 8, stepSeconds: 0.3, ranks: [] };
      tell({ type: 'committed', report });
      if (isFirst && (step + 1) % CHECKPOINT_STEPS === 0 && step + 1 < totalSteps) options.writeBehind(step + 1);
      // It ends so even when it was asked to end at once.
      if (isHeld) end({ type: 'runEnded', generation, outcome: 'held' });
    };
    work(dice.between(5, 60), change, () => lease(step + 1));
  };
  const complete = (): void => {
    const finish = (): void => end({ type: 'runEnded', generation, outcome: 'finished' });
    if (!isFirst) return finish();
    onPhase(totalSteps, 'checkpoint');
    const write = (): void => {
      options.write(totalSteps);
      finish();
    };
    work(dice.between(50, 500), write, () => undefined);
  };

  onPhase(startStep, 'forming');
  peers.join(seat);
  trainer.take((done) => {
    giveBack = done;
    if (failure !== undefined) return endFailed();
    if (isRestoring) restore();
    else form();
  });

  return {
    view,
    get isApplying() {
      return isApplying;
    },
    start() {
      if (!isFormed || isStarted) violate(`${id} starts view ${generation} ${isStarted ? 'twice' : 'before it has formed'}`);
      isStarted = true;
      if (isEnded || failure !== undefined) return;
      if (session.state.step === startStep) lease(startStep);
      else heal();
    },
    hold({ notBefore }) {
      holdAt = notBefore;
    },
    abort(reason) {
      if (!isEnded) peers.leave(seat, reason);
      breakOff(reason);
    },
    lostPeer(peer) {
      const member = members.find((each) => each.name === peer);
      if (member === undefined) return;
      whenAwake(() => {
        if (seat.isJoined) peers.broken(seat, member);
      });
    },
    fail: breakOff,
    die() {
      isEnded = true;
      seat.isOpen = false;
    },
  };
}
