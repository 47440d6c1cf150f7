import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';
import type { Chunk, ReducePlan } from '../plan/plan.ts';
import { type FloatVector, openVector } from '../plan/vector.ts';
import { openReducer, type Reducer } from '../reduce/reducer.ts';
import type { PayloadKernels } from '../wire/checksum.ts';
import { decodeChunk } from '../wire/codec.ts';
import { type Intake, openIntake } from './intake.ts';
import type { AbortNotice, Link, LinkEvents } from './link.ts';
import { type Outflow, openOutflow } from './outflow.ts';
import { hasReceived, hasSent, openPeer, type Peer, type Waiting, waitingFor } from './peer.ts';
import { parity, type Round, type RoundPosition, roundCode } from './round.ts';
import { invalidCall, otherRound, peerLost, placeText, type RoundPlace, roundTimeout } from './roundErrors.ts';
import { createRoundClock, type RoundTimes } from './roundTimes.ts';

const NO_VALUES = new Float64Array(0);
/** Limits the pieces reduced before other events get a turn: a few milliseconds of work. */
const PIECES_PER_TURN = 8;

/** Options of {@link Group}. */
export interface GroupOptions {
  readonly plan: ReducePlan;
  /** Index of this member in the plan. */
  readonly self: number;
  readonly generation: number;
  /** This member's partial sums, one for each of its subtrees in rank order; extra ones are ignored. Read, never written. */
  readonly partials: readonly FloatVector[];
  /** Receives the sum, or this member's chunk of it; also holds the vector that is gathered. */
  readonly reduced: FloatVector;
  /** Scalars that travel with each virtual rank's gradient. */
  readonly scalarsPerRank: number;
  /** True when messages carry checksums; received checksums are always verified. */
  readonly checksums: boolean;
  /** Loops over payloads; they differ in speed only. */
  readonly payloads: PayloadKernels;
  /** Deadline of one round; on expiry it fails, naming the members it waits for. */
  readonly stepTimeoutMs: number;
}

/** Result of a reduction, bit-identical on every member. The arrays are reused: valid until the next call. */
export interface AllReduceResult {
  /** `scalarsPerRank` values for each virtual rank, in rank order. */
  readonly scalars: Float64Array;
  /** Sum of squares of each block of the reduced vector. */
  readonly blockSumSquares: Float64Array;
  /** Sum of `blockSumSquares`, in order. */
  readonly sumSquares: number;
  /** True when every element of the reduced vector is finite. */
  readonly finite: boolean;
}

interface Pending {
  readonly resolve: (result: AllReduceResult) => void;
  readonly reject: (error: MaestroError) => void;
  readonly timer: NodeJS.Timeout;
  readonly scalars: Float64Array;
}

/**
 * The members of one view, summing vectors step by step.
 *
 * A step sends each peer this member's partials of the peer's chunk and, piece by piece as it is reduced, this member's own chunk. There is
 * no circular wait: reduced pieces are always accepted, partials are accepted unless their sender is ahead of the slowest member, and the
 * partials of a step depend on nothing received in that step. A peer can be at most one step ahead: its next step begins only after it has
 * this member's chunk, and by then this member's staging is empty. Messages that arrive early are staged, or wait in their stream.
 *
 * Members that shard the optimiser's state do the same in two rounds: {@link reduceScatter} leaves the sum of a chunk with its owner only,
 * and {@link gather} then sends the owners' results to all members.
 */
export class Group {
  /**
   * Aborts, with the error as its reason, when the group ends: on a failure, including one between steps, or with `cancelled` on {@link
   * close}.
   */
  readonly signal: AbortSignal;
  readonly #options: GroupOptions;
  readonly #controller = new AbortController();
  readonly #reducer: Reducer;
  readonly #intake: Intake;
  readonly #outflow: Outflow;
  readonly #blockSumSquares: Float64Array;
  /** Indexed by the {@link parity} of the reductions. */
  readonly #scalars: readonly [Float64Array, Float64Array];
  readonly #peers: readonly Peer[];
  readonly #position: RoundPosition = { round: 0, kind: { op: 'allReduce' }, reductions: 0, step: 0 };
  readonly #clock = createRoundClock();
  #links: readonly (Link | undefined)[] = [];
  #pending: Pending | undefined;
  #error: MaestroError | undefined;
  #closing: Promise<void> | undefined;
  #hasTurn = false;
  /** Pieces whose sums were passed on, over all steps. */
  #passedOn = 0;
  #receivedBytes = 0;

  constructor(options: GroupOptions) {
    const { plan, self, generation, scalarsPerRank, checksums, payloads } = options;
    const own = plan.partials.filter(({ member }) => member === self).length;
    if (options.partials.length < own)
      throw invalidCall(`${plan.members[self]!.id} holds ${own} partials, ${options.partials.length} vectors were given`);
    this.signal = this.#controller.signal;
    this.#options = options;
    const partials = options.partials.slice(0, own).map(openVector);
    const reduced = openVector(options.reduced);
    for (const vector of [...partials, reduced]) {
      if (vector.length !== plan.length) throw invalidCall(`vectors need ${plan.length} elements, one has ${vector.length}`);
    }
    const blockSumSquares = new Float64Array(Math.ceil(plan.length / plan.blockSize));
    const newScalars = () => new Float64Array(plan.virtualRanks * scalarsPerRank);
    const scalars = [newScalars(), newScalars()] as const;
    const peers = plan.members.flatMap((_, index) => (index === self ? [] : [openPeer(plan, self, index)]));
    const position = this.#position;
    const reducer = openReducer({ plan, self, partials, reduced, blockSumSquares, checksums, payloads, position });
    this.#blockSumSquares = blockSumSquares;
    this.#scalars = scalars;
    this.#peers = peers;
    this.#reducer = reducer;
    this.#intake = openIntake({
      plan,
      scalarsPerRank,
      position,
      reducer,
      payloads,
      reduced,
      blockSumSquares,
      scalars,
      onOpened: (peer) => {
        if (peer.round === position.round) this.#meet(peer);
      },
    });
    this.#outflow = openOutflow({
      plan,
      generation,
      checksums,
      payloads,
      peers,
      position,
      partials,
      reduced,
      reducer,
      blockSumSquares,
      linkOf: ({ index }) => this.#links[index],
      scalars: () => (this.#error === undefined ? this.#pending?.scalars : undefined),
      onSent: () => this.#settle(),
    });
  }

  /** Callbacks that links report to. */
  get events(): LinkEvents {
    return {
      message: (index, bytes) => this.#receive(this.#peer(index), bytes),
      inboundClosed: (index, reason, isLeaving) => this.#inboundClosed(this.#peer(index), reason, isLeaving),
      outboundClosed: (index, reason) => {
        const peer = this.#peer(index);
        peer.gone ??= reason;
        if (this.#pending !== undefined && !hasSent(peer, this.#position.kind)) this.#lose(peer);
      },
      aborted: (index, { code, message, lost }) => {
        const reporter = this.#peer(index).id;
        const details = { reporter, ...this.#place, ...(lost !== undefined && { member: lost }) };
        this.#fail(new MaestroError(code, `${message} (reported by ${reporter})`, { details }), { isTold: true });
      },
    };
  }

  /** Attaches the group's links, by member index; called once, before the first step. */
  connect(links: readonly (Link | undefined)[]): void {
    this.#links = links;
  }

  /** The chunk that this member owns. */
  get chunk(): Chunk {
    return this.chunks[this.#options.self]!;
  }

  /** The chunk that each member owns, in the view's order. */
  get chunks(): readonly Chunk[] {
    return this.#options.plan.chunks;
  }

  /**
   * Sums the members' partials into every member's `reduced`. `scalars` holds `scalarsPerRank` values for each of this member's virtual
   * ranks. One call at a time; until it resolves, the partials must not change and `reduced` must not be read. Rejects with `peer-lost`,
   * `timeout`, `protocol-violation`, or the error given to {@link abort}; the group has then ended.
   */
  allReduce({ step, scalars }: { readonly step: number; readonly scalars: Float64Array }): Promise<AllReduceResult> {
    return this.#begin({ op: 'allReduce' }, step, scalars);
  }

  /**
   * Like {@link allReduce}, but writes only this member's own chunk of the sum to `reduced`. The rest of `reduced` must not be read from
   * this call until the next {@link gather} ends: gathered pieces of other members may arrive early.
   */
  reduceScatter({ step, scalars }: { readonly step: number; readonly scalars: Float64Array }): Promise<AllReduceResult> {
    return this.#begin({ op: 'reduceScatter' }, step, scalars);
  }

  /**
   * Sends each owner's chunk of `reduced` to every member, or only to member `root` (its index in the view). Rejects like {@link
   * allReduce}.
   */
  async gather({ step, root }: { readonly step: number; readonly root?: number }): Promise<void> {
    await this.#begin({ op: 'gather', ...(root !== undefined && { root }) }, step, NO_VALUES);
  }

  #begin(kind: Round, step: number, scalars: Float64Array): Promise<AllReduceResult> {
    const { plan, self, scalarsPerRank, stepTimeoutMs } = this.#options;
    const { firstRank, ranks } = plan.members[self]!;
    const position = this.#position;
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#pending !== undefined) return Promise.reject(invalidCall(`step ${position.step} has not ended`));
    const isReduction = kind.op !== 'gather';
    if (isReduction && scalars.length !== ranks * scalarsPerRank) {
      return Promise.reject(invalidCall(`expected ${scalarsPerRank} scalars for each of ${ranks} virtual ranks, found ${scalars.length}`));
    }
    position.round++;
    position.kind = kind;
    position.step = step;
    if (isReduction) position.reductions++;
    this.#clock.open();
    const result = new Promise<AllReduceResult>((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(roundTimeout(stepTimeoutMs, this.waiting(), this.#place)), stepTimeoutMs);
      this.#pending = { resolve, reject, timer, scalars: scalars.slice() };
    });
    if (isReduction) this.#scalars[parity(position.reductions)].set(scalars, firstRank * scalarsPerRank);
    for (const peer of this.#peers) {
      peer.areScalarsSent = false;
      peer.partialsSent = 0;
      peer.reducedSent = 0;
      if (peer.gone !== undefined) this.#lose(peer);
      else if (peer.round === position.round) this.#meet(peer);
    }
    this.#sendAll();
    this.#reduce();
    return result;
  }

  /** Bytes of all messages sent to peers, without gRPC and HTTP/2 framing. */
  get sentBytes(): number {
    return this.#outflow.sentBytes;
  }

  /** Bytes of all messages received from peers, counted likewise. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Durations of the parts of the last completed round; a round in progress is not included. */
  get times(): RoundTimes {
    return this.#clock.times;
  }

  /** Returns what the step in progress still waits for; empty between steps. Shown as "step 812: waiting for worker b at all-gather". */
  waiting(): Waiting[] {
    if (this.#pending === undefined) return [];
    return this.#peers.flatMap((peer) => waitingFor(peer, this.#position.round, this.#position.kind) ?? []);
  }

  /** Ends the group at once: a step in progress rejects with `error`, and the peers are notified. */
  abort(error: MaestroError): void {
    this.#fail(error);
  }

  /** Leaves the group. Peers that already have this member's data may finish their step. */
  async close(): Promise<void> {
    this.#fail(new MaestroError('cancelled', 'allReduce: the group is closed'), { isTold: true });
    await this.#closing;
  }

  #receive(peer: Peer, bytes: Uint8Array): boolean {
    if (this.#error !== undefined) return true;
    try {
      // A message that found no room is delivered again; it counts once.
      if (!peer.isHeld) this.#receivedBytes += bytes.length;
      const chunk = decodeChunk(bytes);
      if (chunk.generation !== this.#options.generation) return true;
      peer.isHeld = !this.#intake.take(peer, chunk);
    } catch (error) {
      const code = isMaestroError(error) ? error.code : 'internal';
      const message = `allReduce: from ${peer.id} (${placeText(this.#place)}): ${errorMessage(error)}`;
      this.#fail(
        new MaestroError(code, message, {
          cause: error,
          details: { ...(isMaestroError(error) && error.details), member: peer.id, ...this.#place },
        }),
      );
      return true;
    }
    if (!peer.isHeld) this.#reduce();
    return !peer.isHeld;
  }

  /** Checks that a peer which has opened this member's round is doing the same. */
  #meet(peer: Peer): void {
    const { step, kind } = this.#position;
    this.#clock.arrived(peer.arrivedMs);
    if (peer.step === step && roundCode(peer.kind) === roundCode(kind)) return;
    this.#fail(otherRound(peer, this.#position, this.#options.generation));
  }

  /** Sends each peer its next message and resumes the peers whose message found no room. */
  #sendAll(): void {
    for (const peer of this.#peers) this.#outflow.send(peer);
    for (const peer of this.#peers) if (peer.isHeld) this.#links[peer.index]?.resume();
  }

  /** Reduces the pieces that are ready, a few per turn, and passes them on. */
  #reduce(): void {
    if (this.#error !== undefined || this.#pending === undefined || this.#hasTurn) return;
    const reducer = this.#reducer;
    const due = this.#position.reductions * reducer.pieces;
    let count = 0;
    while (reducer.done() < due && reducer.isReady() && count < PIECES_PER_TURN) {
      reducer.reduceNext();
      count++;
    }
    if (this.#position.kind.op !== 'gather' && this.#outflow.reducedPieces() === reducer.pieces) this.#clock.summed();
    if (reducer.done() > this.#passedOn) {
      this.#passedOn = reducer.done();
      this.#sendAll();
    }
    if (count === PIECES_PER_TURN) {
      this.#hasTurn = true;
      setImmediate(() => {
        this.#hasTurn = false;
        this.#reduce();
      });
    }
    this.#settle();
  }

  #settle(): void {
    const { round, kind, reductions } = this.#position;
    if (this.#pending === undefined || this.#outflow.reducedPieces() < this.#reducer.pieces) return;
    if (!this.#peers.every((peer) => hasReceived(peer, round) && hasSent(peer, kind))) return;
    this.#clock.close();
    let sumSquares = 0;
    for (const block of this.#blockSumSquares) sumSquares += block;
    const scalars = this.#scalars[parity(reductions)];
    const result = { scalars, blockSumSquares: this.#blockSumSquares, sumSquares, finite: Number.isFinite(sumSquares) };
    this.#settlePending((pending) => pending.resolve(result));
  }

  #settlePending(settle: (pending: Pending) => void): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    clearTimeout(pending.timer);
    settle(pending);
  }

  #inboundClosed(peer: Peer, reason: string, isLeaving: boolean): void {
    peer.gone ??= reason;
    const isDone = this.#pending === undefined || hasReceived(peer, this.#position.round);
    if (!isLeaving || !isDone) this.#lose(peer);
  }

  #lose(peer: Peer): void {
    this.#fail(peerLost(peer, this.waiting(), this.#place));
  }

  /** Ends the group with `error`: notifies the caller first, then the peers, then closes the streams. */
  #fail(error: MaestroError, { isTold = false } = {}): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#settlePending((pending) => pending.reject(error));
    this.#controller.abort(error);
    const lost = error.code === 'peer-lost' ? String(error.details.member) : undefined;
    const notice: AbortNotice = { code: error.code, message: error.message, ...(lost !== undefined && { lost }) };
    const told = this.#peers.filter(({ id }) => !isTold && id !== lost).map(({ index }) => this.#links[index]?.abort(notice));
    this.#closing = Promise.all(told).then(() => this.#closeLinks());
  }

  #closeLinks(): void {
    for (const link of this.#links) link?.close();
  }

  #peer(index: number): Peer {
    return this.#peers[index < this.#options.self ? index : index - 1]!;
  }

  get #place(): RoundPlace {
    return { step: this.#position.step, generation: this.#options.generation };
  }
}
