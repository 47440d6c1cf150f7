import { stepFolder } from '@maestro/checkpoint';
import { type Holdings, type Member, type OpenMemberHost, startMember } from '@maestro/member';
import { type ErrorCode, type Heartbeat, MaestroError, type WorkerMessage } from '@maestro/protocol';
import { checkMember } from './checkMember.ts';
import type { Peers } from './peers.ts';
import { createTrainerModel } from './trainerModel.ts';
import { startViewRun, type ViewRun } from './viewRun.ts';
import { NO_STATE, viewText, type World } from './world.ts';

/** Between two attempts to open what needs Redis. */
const REOPEN_MS = 1000;
/** Between two looks at what hangs. */
const LOOK_MS = 100;

/** What a member needs beside the world. */
export interface MemberOptions {
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
  /** Calls the action once all is closed that an earlier member had open. */
  readonly before: (action: () => void) => void;
  readonly onEnded: () => void;
  readonly onClosed: () => void;
}

/** A member in virtual time: the very shell and decisions of a worker's, on a host of the simulation. */
export interface SimulatedMember extends Member {
  /** Steps that its state has been through; -1 for none. */
  readonly step: number;
  /** It has a state that it may not have told yet: what was under way when its view ended has ended well. */
  readonly isStateLate: boolean;
  heartbeat(): Heartbeat;
  /** The process was killed. */
  die(): void;
  /** Its streams to its peers, or to one of them, have ended. */
  lostPeers(): void;
  lostPeer(name: string): void;
  /** An error that is its own. */
  fail(code: ErrorCode): void;
}

/** Starts a member. */
export function openMember(world: World, options: MemberOptions): SimulatedMember {
  const { clock, dice, disk, timeouts, violate } = world;
  const { id, jobId, later, isHung } = options;
  const trainer = createTrainerModel();
  const session = { state: NO_STATE };
  let isOpened = false;
  let isEnded = false;
  let giveUp: ((error: MaestroError) => void) | undefined;
  let run: ViewRun | undefined;
  let turns = 0;
  let isLeaving = false;
  /** Steps of the state when the view was over; undefined while one is worked for. */
  let overStep: number | undefined;
  let writing = 0;
  let activity = { step: 0, phase: 'preparing', sinceMs: clock.nowMs };

  const enter = (step: number, phase: string): void => {
    activity = { step, phase, sinceMs: clock.nowMs };
  };
  const holdings = (): Holdings => ({
    step: session.state.step,
    datasetLength: isOpened ? 64 : 0,
    identityJson: isOpened ? `{"threads":${options.identity}}` : '',
    shards: [],
    stateLength: 0,
    results: {},
  });

  const openHost: OpenMemberHost = (tell) => {
    const checked = checkMember(world, { id, send: options.send });
    const write = (step: number): void => {
      const path = `/checkpoints/${jobId}/${stepFolder(step)}`;
      disk.set(step, path);
      world.damaged.delete(step);
      tell({ type: 'checkpoint', step, path, hash: 'h' });
    };
    const writeBehind = (step: number): void => {
      writing++;
      later(dice.between(20, 600), () => {
        writing--;
        write(step);
      });
    };
    return {
      send: checked.send,
      after: (ms, action) =>
        later(ms, () => {
          if (!isEnded) action();
        }),
      now: () => ({
        step: session.state.step,
        canSave: isOpened && session.state.step >= 0,
        isChanging: activity.phase === 'apply',
      }),
      holdings,
      open() {
        let isDone = false;
        const done = (error?: MaestroError): void => {
          if (isDone) return;
          isDone = true;
          giveUp = undefined;
          isOpened = error === undefined;
          if (isOpened && !isLeaving) enter(0, 'ready');
          tell(error === undefined ? { type: 'opened' } : { type: 'openFailed', error });
        };
        const attempt = (): void => {
          if (isDone) return;
          if (world.isRedisUp) done();
          else later(REOPEN_MS, attempt);
        };
        giveUp = done;
        options.before(() => later(dice.between(100, 1500), attempt));
      },
      giveUpOpening(reason) {
        // What hangs may answer later, and well.
        later(dice.chance(0.1) ? dice.between(100, 3 * timeouts.silenceMs) : dice.between(0, 20), () => giveUp?.(reason));
      },
      run(view) {
        const { generation } = view;
        const known = world.views.get(generation);
        if (known !== viewText(view)) violate(`${id} follows another view ${generation} than was sent: ${viewText(view)}; sent: ${known}`);
        if (!isOpened) violate(`${id} works for view ${generation} with nothing open`);
        checked.run(view);
        overStep = undefined;
        // What an earlier run still does is not the member's phase.
        const turn = ++turns;
        const onPhase = (step: number, phase: string): void => {
          if (turn === turns && overStep === undefined) enter(step, phase);
        };
        run = startViewRun(world, { ...options, view, trainer, session, tell, onPhase, write, writeBehind });
        return run;
      },
      viewOver({ view, status }) {
        checked.viewOver(view);
        // But for one that hangs there, and leaves without a checkpoint.
        if (run!.isApplying && member.state.release === undefined)
          violate(`${id} has ended view ${view.generation} while it applies a step`);
        overStep = session.state.step;
        enter(Math.max(0, overStep), status);
      },
      // State is served by those that work for a view; parts of it, by others, are not simulated.
      serve: () => () => undefined,
      save: () =>
        trainer.take((done) => {
          const { step } = session.state;
          if (isLeaving) enter(step, 'checkpoint');
          later(dice.between(20, 800), () => {
            if (step >= 0) write(step);
            tell(step >= 0 ? { type: 'saved' } : { type: 'saveFailed', step, message: 'there is no state' });
            done();
          });
        }),
      leaving() {
        isLeaving = true;
        enter(Math.max(0, session.state.step), 'stopping');
      },
      close() {
        const close = (): void => {
          if (writing > 0 || isHung()) return later(LOOK_MS, close);
          tell({ type: 'closed' });
        };
        later(dice.between(1, 50), close);
      },
      ended() {
        isEnded = true;
        options.onEnded();
      },
      closed: options.onClosed,
    };
  };

  const member = startMember({ jobId, self: id, isFaultTolerant: true, leaveMs: timeouts.silenceMs, openHost });
  const lostPeer = (name: string): void => {
    if (overStep === undefined) run?.lostPeer(name);
  };
  return {
    ...member,
    get state() {
      return member.state;
    },
    get step() {
      return session.state.step;
    },
    get isStateLate() {
      return overStep !== undefined && overStep !== session.state.step;
    },
    heartbeat() {
      const { step, phase, sinceMs } = activity;
      return {
        jobId,
        generation: member.state.generation,
        step,
        phase,
        phaseSeconds: (clock.nowMs - sinceMs) / 1000,
        waitingFor: phase === 'reduce' ? 'a peer' : phase === 'lease' ? 'redis' : '',
        rankSeconds: 0.1 * options.slowness(),
      };
    },
    die: () => run?.die(),
    lostPeers() {
      const others = run?.view.members.filter((other) => other.id !== id) ?? [];
      if (others.length > 0) lostPeer(dice.pick(others).name);
    },
    lostPeer,
    fail(code) {
      const error = new MaestroError(code, `it is ${code}`);
      if (giveUp !== undefined) giveUp(error);
      else if (overStep === undefined) run?.fail(error);
    },
  };
}
