import type { CoordinatorMessage, WorkerMessage } from '@maestro/protocol';
import { type ControlLink, type Listener, openLink } from './control.ts';
import { openMember, type SimulatedMember } from './openMember.ts';
import type { Peers } from './peers.ts';
import type { World } from './world.ts';

const HEARTBEAT_MS = 1000;
/** Between two looks at whether what a member left open is closed. */
const LOOK_MS = 100;

type ToMember = Exclude<CoordinatorMessage, { kind: 'welcome' | 'prepare' | 'refused' }>;

/** A worker process: what `worker.ts` does around a member. */
export interface ProcessModel {
  readonly name: string;
  readonly id: string;
  readonly pid: number;
  readonly isAlive: boolean;
  readonly isAwake: boolean;
  readonly isAttached: boolean;
  readonly isEnding: boolean;
  readonly isAlien: boolean;
  readonly member: SimulatedMember | undefined;
  kill(): void;
  freeze(): void;
  thaw(): void;
  terminate(): void;
  cutControl(isReset: boolean, untilMs: number): void;
}

/** What a process needs beside the world. */
export interface ProcessOptions {
  readonly name: string;
  readonly id: string;
  readonly pid: number;
  readonly peers: Peers;
  /** The coordinator, while one runs. */
  readonly listener: () => Listener | undefined;
  /** How much longer than usual it computes. */
  readonly slowness: () => number;
  readonly isHung: () => boolean;
  /** What it has in common with others of the same number. */
  readonly identity: number;
}

/** Starts a process. */
export function startProcess(world: World, options: ProcessOptions): ProcessModel {
  const { clock, dice, note, timeouts } = world;
  const { name, id, peers, listener } = options;
  let isAlive = true;
  let isFrozen = false;
  let frozen: (() => void)[] = [];
  let link: ControlLink | undefined;
  let isAttached = false;
  let frozenSinceMs = 0;
  let isEnding = false;
  let blockedUntilMs = 0;
  let member: SimulatedMember | undefined;
  let waiting: WorkerMessage[] = [];
  let incarnation = 0;
  /** Repeated to the next coordinator: the last one may have died before it persisted it. */
  let lastCheckpoint: Extract<WorkerMessage, { kind: 'checkpoint' }> | undefined;
  /** Members that have something open or under way; the newest may still be at work. */
  const open = new Set<SimulatedMember>();

  const whenAwake = (action: () => void): void => {
    if (!isAlive) return;
    if (isFrozen) frozen.push(action);
    else action();
  };
  const later = (delayMs: number, action: () => void): void => clock.after(delayMs, () => whenAwake(action));
  const send = (message: WorkerMessage): void => {
    if (message.kind === 'checkpoint') lastCheckpoint = message;
    if (isAttached) link?.send(message);
    else if (message.kind === 'checkpoint' || message.kind === 'checkpointFailed') waiting.push(message);
  };
  const drain = (jobId: string): void => send({ kind: 'drain', jobId, reason: 'it was told to end' });

  const prepare = (jobId: string): void => {
    const earlier = [...open];
    const onceClosed = (action: () => void): void => {
      if (earlier.some((each) => open.has(each))) later(LOOK_MS, () => onceClosed(action));
      else action();
    };
    const started = openMember(world, {
      ...options,
      send,
      later,
      whenAwake,
      jobId,
      isAwake: () => isAlive && !isFrozen,
      before: onceClosed,
      onEnded() {
        member = undefined;
        if (isEnding) exit();
        else expectToLeave(started);
      },
      onClosed: () => void open.delete(started),
    });
    open.add(started);
    member = started;
  };
  /** One that was released, and cannot leave: only a new process can help. */
  const expectToLeave = (leaving: SimulatedMember): void =>
    later(timeouts.progressMs, () => {
      if (!open.has(leaving)) return;
      note(`${id} cannot leave its job`);
      exit();
    });
  const toMember = (to: SimulatedMember, message: ToMember): void => {
    switch (message.kind) {
      case 'view':
        return to.view(message);
      case 'go':
        return to.go(message.generation);
      case 'hold':
        return to.hold(message);
      case 'acknowledge':
        return to.acknowledge(message.step);
      case 'save':
        return to.save();
      case 'release':
        to.release(message);
        if (!message.writeCheckpoint) expectToLeave(to);
    }
  };
  const onMessage = (message: CoordinatorMessage): void => {
    switch (message.kind) {
      case 'welcome': {
        isAttached = true;
        ({ incarnation } = message);
        const late = waiting;
        waiting = [];
        if (lastCheckpoint !== undefined && lastCheckpoint.jobId === member?.jobId && !late.includes(lastCheckpoint)) send(lastCheckpoint);
        for (const each of late) send(each);
        if (member !== undefined) send({ kind: 'standing', ...member.standing() });
        if (isEnding && member !== undefined) drain(member.jobId);
        beat(link!);
        return;
      }
      case 'prepare': {
        if (member !== undefined) return send({ kind: 'standing', ...member.standing() });
        prepare(message.jobId);
        return;
      }
      case 'refused':
        return;
      default:
        if (member?.jobId !== message.jobId) {
          if (message.kind === 'view' || message.kind === 'release')
            send({ kind: 'left', jobId: message.jobId, generation: 0, step: -1, outcome: 'released', errorCode: '', errorMessage: '' });
          return;
        }
        return toMember(member, message);
    }
  };
  const beat = (on: ControlLink): void => {
    later(HEARTBEAT_MS, () => {
      if (link !== on || !isAttached) return;
      if (member !== undefined) send({ kind: 'heartbeat', ...member.heartbeat() });
      beat(on);
    });
  };
  const exit = (): void => {
    isAlive = false;
    link?.close();
    peers.lost(id);
    for (const each of open) each.die();
    member = undefined;
    note(`${id} has ended`);
  };
  const connect = (): void => {
    const to = listener();
    if (to === undefined || clock.nowMs < blockedUntilMs) return later(timeouts.reconnectMs, connect);
    const hello = {
      name,
      id,
      address: name,
      device: 'cpu',
      threads: 1,
      pid: options.pid,
      host: 'here',
      buildJson: '',
      incarnation,
      standing: member?.standing() ?? null,
      sessionKey: id,
      operators: 0,
      kernels: '',
    };
    link = openLink(world, to, hello, {
      name,
      whenAwake,
      onMessage,
      onEnded() {
        isAttached = false;
        if (isEnding && member !== undefined) member.release({ reason: 'it was told to end', writeCheckpoint: true });
        if (isEnding) return;
        later(timeouts.reconnectMs, connect);
      },
    });
  };
  later(dice.between(1, 300), connect);

  return {
    name,
    id,
    pid: options.pid,
    isAlien: options.identity !== 1,
    get isAlive() {
      return isAlive;
    },
    get isAwake() {
      return isAlive && !isFrozen;
    },
    get isAttached() {
      return isAttached;
    },
    get isEnding() {
      return isEnding;
    },
    get member() {
      return member;
    },
    kill() {
      if (!isAlive) return;
      isAlive = false;
      link?.cut(true);
      peers.lost(id);
      for (const each of open) each.die();
      member = undefined;
    },
    freeze() {
      if (isFrozen || !isAlive) return;
      isFrozen = true;
      const on = link;
      const silentMs = timeouts.keepaliveTimeMs + timeouts.keepaliveTimeoutMs;
      const began = clock.nowMs;
      frozenSinceMs = began;
      clock.after(silentMs, () => {
        if (!isFrozen || frozenSinceMs !== began || !isAlive) return;
        peers.lost(id);
        // Its own streams have ended too, which it sees when it goes on.
        if (member !== undefined) member.lostPeers();
        if (dice.chance(0.5)) on?.cut(true);
      });
    },
    thaw() {
      if (!isFrozen) return;
      isFrozen = false;
      const actions = frozen;
      frozen = [];
      for (const action of actions) whenAwake(action);
      peers.retry();
    },
    terminate() {
      if (isEnding || !isAlive) return;
      whenAwake(() => {
        isEnding = true;
        if (member === undefined) exit();
        else if (isAttached) drain(member.jobId);
        else member.release({ reason: 'it was told to end', writeCheckpoint: true });
      });
    },
    cutControl(isReset, untilMs) {
      blockedUntilMs = Math.max(blockedUntilMs, untilMs);
      link?.cut(isReset);
    },
  };
}
