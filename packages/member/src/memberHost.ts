import type { Hold, MaestroError, Standing, View, WorkerMessage } from '@maestro/protocol';
import type { HostEvent, Leaving, MemberEffect, SessionNow, ToldOfMember } from './memberState.ts';

/** A run of a view, as the member steers it. */
export interface RunHandle {
  /** All members have formed. */
  start(): void;
  /** It is to end after a step. */
  hold(order: Pick<Hold, 'notBefore' | 'writeCheckpoint'>): void;
  /** It is to end at once; it then answers `runFailed` with this reason, or what it came to meanwhile. */
  abort(reason: MaestroError): void;
}

/** What of a standing is the session's: its state, its data, and what it can give to others. */
export type Holdings = Omit<Standing, keyof ToldOfMember>;

/**
 * Where a member works: everything that it does beside deciding. A worker's host opens data, trainer and peers; the coordinator's
 * simulation has one in virtual time, and drives the very shell and decisions that workers run.
 *
 * No method waits, and none throws. What takes time is answered by an event, in the same call or later: `open` by `opened` or `openFailed`,
 * `run` by `formed`, `applied`, `committed` and at last, once and whatever happens, `runEnded` or `runFailed`; `save` by `saved` or
 * `saveFailed`; `close` by `closed`. So a host needs no promises, and a simulation stays as fast as its clock.
 */
export interface MemberHost {
  /** What a worker says to its coordinator; a stream that is away is the host's affair. */
  send(message: WorkerMessage): void;
  /** Calls `action` after so many milliseconds, unless the member has ended before. */
  after(ms: number, action: () => void): void;
  /** Read at each event. */
  now(): SessionNow;
  holdings(): Holdings;
  /** Opens what the job needs, once. */
  open(): void;
  /** Opening is to end at once. */
  giveUpOpening(reason: MaestroError): void;
  /**
   * Starts to work for a view. What an earlier run or a checkpoint has under way in the trainer ends before the trainer is asked for
   * anything.
   */
  run(view: View): RunHandle;
  /** The view is over for the member, for the log and the metrics; its run may still have something under way. */
  viewOver(over: Omit<Extract<MemberEffect, { type: 'viewOver' }>, 'type'>): void;
  /** Gives what it holds of the state to a view without this worker, until the returned function is called. */
  serve(view: View): () => void;
  /** Writes a checkpoint of the state, after what is under way in the trainer. */
  save(): void;
  /** The member begins to leave, being released. */
  leaving(): void;
  /** Closes what was opened, if anything was. */
  close(leaving: Leaving): void;
  /** The member has left. */
  ended(): void;
  /** Nothing is open any more. */
  closed(): void;
}

/** Makes a member's host, which tells what happens by `tell`. */
export type OpenMemberHost = (tell: (event: HostEvent) => void) => MemberHost;
