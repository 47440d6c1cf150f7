import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';
import { chunkChecksum, openSummable, payloadSum } from './checksum.ts';
import { type ChunkHeader, type ChunkMessage, decodeChunk, encodeChunk } from './codec.ts';
import { BLOCKS_PER_PIECE, gatheredBytes, type Piece } from './lane.ts';
import type { AbortNotice, Link, LinkEvents } from './link.ts';
import { hasReceived, hasSent, openPeer, type Peer, type Waiting, waitingFor } from './peer.ts';
import type { Chunk, ReducePlan } from './plan.ts';
import { openReducer, type Reducer } from './reducer.ts';
import { partialsDue, type Round, reducedDue, roundCode, roundOf } from './round.ts';
import { NO_TIMES, type RoundTimes, roundTimes } from './roundTimes.ts';
import { type FloatVector, type OpenVector, openVector } from './vector.ts';

const NO_VALUES = new Float64Array(0);
const NO_PAYLOAD = new Uint8Array(0);
/** Pieces that are reduced before other events get a turn: a few milliseconds of work. */
const PIECES_PER_TURN = 8;

/** What a group works on. */
export interface GroupOptions {
  readonly plan: ReducePlan;
  /** Index of this member in the plan. */
  readonly self: number;
  readonly generation: number;
  /** This member's partial sums, one for each of its subtrees in rank order; more are ignored. Read, never written. */
  readonly partials: readonly FloatVector[];
  /** Where every member finds the sum, or its chunk of it; what is gathered lies here too. */
  readonly reduced: FloatVector;
  /** Scalars that travel with each virtual rank's gradient. */
  readonly scalarsPerRank: number;
  /** Whether messages carry checksums; those that carry one are always checked. */
  readonly checksums: boolean;
  /** How long one round may take before it fails, naming the members it waits for. */
  readonly stepTimeoutMs: number;
}

/** What every member knows after a reduction, equal bit for bit. The arrays are reused: valid until the next call. */
export interface AllReduceResult {
  /** k for each virtual rank, in rank order. */
  readonly scalars: Float64Array;
  /** Sum of squares of each block of the reduced vector. */
  readonly blockSumSquares: Float64Array;
  /** Their sum, in order. */
  readonly sumSquares: number;
  /** Whether every element of the reduced vector is finite. */
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
 * A step sends each peer the own partials of its chunk and, piece by piece as it is added up, the own chunk. Nothing waits in a
 * circle: reduced pieces are always taken in, partials are taken in unless their sender is ahead of the slowest member, and the
 * partials of a step depend on nothing that is received in it. A peer may be one step ahead at most, since its next step
 * begins after it has this member's chunk, by when this member's staging is empty; what it sends early is staged, or waits in its stream.
 *
 * The same in two rounds, for members that share the optimiser's state: {@link reduceScatter} leaves the sum of a chunk with its owner alone,
 * and {@link gather} then gives all members what the owners made of it.
 */
export class Group {
  /** Aborted, with the error as its reason, when the group ends: by a failure, also between steps, or `cancelled` by {@link close}. */
  readonly signal: AbortSignal;
  readonly #options: GroupOptions;
  readonly #controller = new AbortController();
  readonly #partials: readonly OpenVector[];
  readonly #reduced: OpenVector;
  readonly #reducer: Reducer;
  readonly #blockSumSquares: Float64Array;
  /** By peer, where a payload is copied that cannot be sent from its vector. */
  readonly #outgoing: ReadonlyMap<Peer, Uint8Array>;
  /** By parity of the reductions: a peer's scalars of the next step may come before this step ends. */
  readonly #scalars: readonly [Float64Array, Float64Array];
  readonly #peers: readonly Peer[];
  #links: readonly (Link | undefined)[] = [];
  #round = 0;
  #kind: Round = { op: 'allReduce' };
  #reductions = 0;
  #step = 0;
  #pending: Pending | undefined;
  #error: MaestroError | undefined;
  #closing: Promise<void> | undefined;
  #hasTurn = false;
  #sentBytes = 0;
  #receivedBytes = 0;
  #times: RoundTimes = NO_TIMES;
  #startedMs = 0;
  #firstArrivalMs = Number.POSITIVE_INFINITY;
  #lastArrivalMs = Number.NEGATIVE_INFINITY;
  #summedMs: number | undefined;

  constructor(options: GroupOptions) {
    const { plan, self, partials, reduced, scalarsPerRank } = options;
    const own = plan.partials.filter(({ member }) => member === self).length;
    if (partials.length < own) throw invalid(`${plan.members[self]!.id} holds ${own} partials, ${partials.length} vectors were given`);
    this.signal = this.#controller.signal;
    this.#options = options;
    this.#partials = partials.slice(0, own).map(openVector);
    this.#reduced = openVector(reduced);
    for (const vector of [...this.#partials, this.#reduced]) {
      if (vector.length !== plan.length) throw invalid(`vectors need ${plan.length} elements, one has ${vector.length}`);
    }
    this.#blockSumSquares = new Float64Array(Math.ceil(plan.length / plan.blockSize));
    this.#reducer = openReducer({
      plan,
      self,
      partials: this.#partials,
      reduced: this.#reduced,
      blockSumSquares: this.#blockSumSquares,
      checksums: this.#options.checksums,
    });
    const scalars = () => new Float64Array(plan.virtualRanks * scalarsPerRank);
    this.#scalars = [scalars(), scalars()];
    this.#peers = plan.members.flatMap((_, index) => (index === self ? [] : [openPeer(plan, self, index)]));
    const payloadBytes = BLOCKS_PER_PIECE * plan.blockSize * Float32Array.BYTES_PER_ELEMENT;
    this.#outgoing = new Map(this.#peers.map((peer) => [peer, openSummable(payloadBytes)]));
  }

  /** What links report to. */
  get events(): LinkEvents {
    return {
      message: (index, bytes) => this.#receive(this.#peer(index), bytes),
      inboundClosed: (index, reason, isLeaving) => this.#inboundClosed(this.#peer(index), reason, isLeaving),
      outboundClosed: (index, reason) => {
        const peer = this.#peer(index);
        peer.gone ??= reason;
        if (this.#pending !== undefined && !hasSent(peer, this.#kind)) this.#lose(peer);
      },
      aborted: (index, { code, message, lost }) => {
        const reporter = this.#peer(index).id;
        const details = { reporter, ...this.#where(), ...(lost !== undefined && { member: lost }) };
        this.#fail(new MaestroError(code, `${message} (reported by ${reporter})`, { details }), { isTold: true });
      },
    };
  }

  /** Gives the group its links, by member index; called once, before the first step. */
  connect(links: readonly (Link | undefined)[]): void {
    this.#links = links;
  }

  /** The elements that this member owns. */
  get chunk(): Chunk {
    return this.chunks[this.#options.self]!;
  }

  /** What each member owns, in the view's order. */
  get chunks(): readonly Chunk[] {
    return this.#options.plan.chunks;
  }

  /**
   * Sums the members' partials into every member's `reduced`. `scalars` holds k for each of this member's virtual ranks.
   * One call at a time; the partials must not change and `reduced` must not be read until it resolves.
   * Rejects with `peer-lost`, `timeout`, `protocol-violation`, or the error given to {@link abort}; the group is over then.
   */
  allReduce({ step, scalars }: { readonly step: number; readonly scalars: Float64Array }): Promise<AllReduceResult> {
    return this.#begin({ op: 'allReduce' }, step, scalars);
  }

  /**
   * As {@link allReduce}, but of the sum only the own chunk comes to `reduced`. Outside of it `reduced` must not be read any more, from the
   * call on to the end of the next {@link gather}: what others give there may come early.
   */
  reduceScatter({ step, scalars }: { readonly step: number; readonly scalars: Float64Array }): Promise<AllReduceResult> {
    return this.#begin({ op: 'reduceScatter' }, step, scalars);
  }

  /**
   * Gives every member, or member `root` alone (its index in the view), what lies in each owner's chunk of `reduced`. Rejects as {@link allReduce}.
   */
  async gather({ step, root }: { readonly step: number; readonly root?: number }): Promise<void> {
    await this.#begin({ op: 'gather', ...(root !== undefined && { root }) }, step, NO_VALUES);
  }

  #begin(kind: Round, step: number, scalars: Float64Array): Promise<AllReduceResult> {
    const { plan, self, scalarsPerRank, stepTimeoutMs } = this.#options;
    const { firstRank, ranks } = plan.members[self]!;
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#pending !== undefined) return Promise.reject(invalid(`step ${this.#step} has not ended`));
    const isReduction = kind.op !== 'gather';
    if (isReduction && scalars.length !== ranks * scalarsPerRank) {
      return Promise.reject(invalid(`expected ${scalarsPerRank} scalars for each of ${ranks} virtual ranks, found ${scalars.length}`));
    }
    this.#round++;
    this.#kind = kind;
    this.#step = step;
    this.#startedMs = performance.now();
    this.#firstArrivalMs = Number.POSITIVE_INFINITY;
    this.#lastArrivalMs = Number.NEGATIVE_INFINITY;
    this.#summedMs = undefined;
    if (isReduction) this.#reductions++;
    const result = new Promise<AllReduceResult>((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(this.#timeout()), stepTimeoutMs);
      this.#pending = { resolve, reject, timer, scalars: scalars.slice() };
    });
    if (isReduction) this.#scalars[this.#parity()]!.set(scalars, firstRank * scalarsPerRank);
    for (const peer of this.#peers) {
      peer.areScalarsSent = false;
      peer.partialsSent = 0;
      peer.reducedSent = 0;
      if (peer.round === this.#round) this.#noteArrival(peer);
      if (peer.gone !== undefined) this.#lose(peer);
      else if (peer.round === this.#round) this.#checkRound(peer);
    }
    for (const peer of this.#peers) this.#send(peer);
    for (const peer of this.#peers) if (peer.isHeld) this.#links[peer.index]?.resume();
    this.#reduce();
    return result;
  }

  /** Bytes of all messages that were put on the streams to peers, without what gRPC and HTTP/2 put around them. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** The same of messages that came from peers. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** How long the parts of the last round that ended took; where one is in progress it does not show. */
  get times(): RoundTimes {
    return this.#times;
  }

  /** What the step in progress still waits for; empty between steps. For "step 812: waiting for worker b at all-gather". */
  waiting(): Waiting[] {
    if (this.#pending === undefined) return [];
    return this.#peers.flatMap((peer) => waitingFor(peer, this.#round, this.#kind) ?? []);
  }

  /** Ends the group at once: a step in progress rejects with `error`, and the peers are told. */
  abort(error: MaestroError): void {
    this.#fail(error);
  }

  /** Leaves the group. Peers that have what they need from this member may finish their step. */
  async close(): Promise<void> {
    this.#fail(new MaestroError('cancelled', 'allReduce: the group is closed'), { isTold: true });
    await this.#closing;
  }

  #receive(peer: Peer, bytes: Uint8Array): boolean {
    if (this.#error !== undefined) return true;
    try {
      // A message that found no room comes again, and counts once.
      if (!peer.isHeld) this.#receivedBytes += bytes.length;
      const chunk = decodeChunk(bytes);
      if (chunk.generation !== this.#options.generation) return true;
      this.#verify(chunk);
      peer.isHeld = !this.#accept(peer, chunk);
    } catch (error) {
      const code = isMaestroError(error) ? error.code : 'internal';
      const message = `allReduce: from ${peer.id} (${this.#place()}): ${errorMessage(error)}`;
      this.#fail(
        new MaestroError(code, message, {
          cause: error,
          details: { ...(isMaestroError(error) && error.details), member: peer.id, ...this.#where() },
        }),
      );
      return true;
    }
    if (!peer.isHeld) this.#reduce();
    return !peer.isHeld;
  }

  /** Throws when a message is not what its sender took the checksum of. */
  #verify({ kind, step, first, values, payload, checksum }: ChunkMessage): void {
    if (checksum === undefined) return;
    const found = chunkChecksum(payloadSum(payload), values);
    if (found === checksum) return;
    const message = `${kind} of step ${step}, first element ${first}, ${payload.length} bytes: checksum ${found.toString(16)}, its sender's is ${checksum.toString(16)}`;
    throw new MaestroError('protocol-violation', message, { details: { corrupt: true } });
  }

  /** Takes in one message, which must be the next one due; false when there is no room for it yet. */
  #accept(peer: Peer, chunk: ChunkMessage): boolean {
    if (chunk.kind === 'partial') return this.#acceptPartial(peer, chunk);
    if (chunk.kind === 'reduced') return this.#acceptReduced(peer, chunk);
    this.#acceptScalars(peer, chunk);
    return true;
  }

  #acceptPartial(peer: Peer, chunk: ChunkMessage): boolean {
    const due = partialsDue(peer.inbound, peer.kind);
    if (peer.round === 0 || peer.partialsReceived >= due) throw this.#unexpected(chunk);
    const { slot, piece } = peer.inbound.partial(peer.partialsReceived);
    if (chunk.slot !== slot || !this.#isPiece(peer, chunk, piece, Float32Array.BYTES_PER_ELEMENT * piece.count))
      throw this.#unexpected(chunk);
    const { pieces } = this.#reducer;
    const index = Math.floor((peer.partialsReceived * pieces) / due);
    if (!this.#reducer.stage(slot, (peer.reductions - 1) * pieces + index, chunk.payload)) return false;
    peer.partialsReceived++;
    return true;
  }

  #acceptReduced(peer: Peer, chunk: ChunkMessage): boolean {
    const { op } = peer.kind;
    const isEarly = peer.round === this.#round + 1 && op === 'gather';
    // Others' chunks are free from the reduce-scatter on; in any other round the caller may still read them.
    if (isEarly && this.#kind.op !== 'reduceScatter') return false;
    const isDue = peer.reducedReceived < reducedDue(peer.inbound, peer.kind, peer.self);
    if (!isDue || !(isEarly || peer.round === this.#round)) throw this.#unexpected(chunk);
    const piece = peer.inbound.reduced(peer.reducedReceived);
    const { plan } = this.#options;
    const { blockSize } = plan;
    const blocks = op === 'gather' ? 0 : Math.ceil(piece.count / blockSize);
    const sizeBytes = { allReduce: gatheredBytes(plan, piece.count), reduceScatter: 0, gather: 4 * piece.count }[op];
    if (chunk.values.length !== blocks || !this.#isPiece(peer, chunk, piece, sizeBytes)) throw this.#unexpected(chunk);
    if (op === 'allReduce') this.#reducer.takeReduced(piece, chunk.payload);
    if (op === 'gather') this.#reduced.write(piece.first, piece.count, chunk.payload, 0);
    if (blocks > 0) this.#blockSumSquares.set(chunk.values, piece.first / blockSize);
    peer.reducedReceived++;
    return true;
  }

  #acceptScalars(peer: Peer, chunk: ChunkMessage): void {
    const { plan, scalarsPerRank } = this.#options;
    const { firstRank, ranks } = plan.members[peer.index]!;
    const kind = roundOf(chunk.slot);
    const isReduction = kind.op !== 'gather';
    // Every round ends after all have opened it, so that nobody is further ahead.
    const isNext = peer.round <= this.#round && (peer.round === 0 || hasReceived(peer, peer.round));
    if (!isNext || chunk.values.length !== (isReduction ? ranks * scalarsPerRank : 0)) throw this.#unexpected(chunk);
    peer.round++;
    peer.kind = kind;
    peer.step = chunk.step;
    peer.partialsReceived = 0;
    peer.reducedReceived = 0;
    if (isReduction) {
      peer.reductions++;
      this.#scalars[peer.reductions % 2]!.set(chunk.values, firstRank * scalarsPerRank);
    }
    peer.arrivedMs = performance.now();
    if (peer.round !== this.#round) return;
    this.#noteArrival(peer);
    this.#checkRound(peer);
  }

  /** A peer has opened this member's round. */
  #noteArrival({ arrivedMs }: Peer): void {
    this.#firstArrivalMs = Math.min(this.#firstArrivalMs, arrivedMs);
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, arrivedMs);
  }

  #isPiece(peer: Peer, { step, first, payload }: ChunkMessage, piece: Piece, sizeBytes: number): boolean {
    return step === peer.step && first === piece.first && payload.length === sizeBytes;
  }

  /** Adds up what is ready, a few pieces a turn, and passes it on. */
  #reduce(): void {
    if (this.#error !== undefined || this.#pending === undefined || this.#hasTurn) return;
    const due = this.#reductions * this.#reducer.pieces;
    let count = 0;
    while (this.#reducer.done() < due && this.#reducer.isReady() && count < PIECES_PER_TURN) {
      this.#reducer.reduceNext();
      count++;
    }
    if (this.#kind.op !== 'gather' && this.#reducedPieces() === this.#reducer.pieces) this.#summedMs ??= performance.now();
    if (count > 0) {
      for (const peer of this.#peers) this.#send(peer);
      for (const peer of this.#peers) if (peer.isHeld) this.#links[peer.index]?.resume();
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

  /** Sends the next message to a peer when its stream has room: reduced pieces first, they are still in the cache and all wait for them. */
  #send(peer: Peer): void {
    const pending = this.#pending;
    const link = this.#links[peer.index];
    if (pending === undefined || link === undefined || peer.isSending || this.#error !== undefined) return;
    const sent = () => {
      peer.isSending = false;
      this.#send(peer);
      this.#settle();
    };
    const { checksums, generation } = this.#options;
    const header = { generation, step: this.#step, slot: 0, first: 0, values: NO_VALUES };
    const put = (message: ChunkHeader, payload?: Uint8Array, sum?: bigint) => {
      const of = checksums && { checksum: chunkChecksum(sum ?? payloadSum(payload ?? NO_PAYLOAD), message.values) };
      const frame = encodeChunk({ ...message, ...of }, payload);
      this.#sentBytes += frame.length;
      link.send(frame, sent);
    };
    peer.isSending = true;
    const { op } = this.#kind;
    if (!peer.areScalarsSent) {
      peer.areScalarsSent = true;
      put({ ...header, kind: 'scalars', slot: roundCode(this.#kind), values: pending.scalars });
    } else if (peer.reducedSent < Math.min(this.#reducedPieces(), reducedDue(peer.outbound, this.#kind, peer.index))) {
      const { first, count } = peer.outbound.reduced(peer.reducedSent++);
      const block = first / this.#options.plan.blockSize;
      const sums = this.#blockSumSquares.subarray(block, block + Math.ceil(count / this.#options.plan.blockSize));
      const message = { ...header, kind: 'reduced', first, values: op === 'gather' ? NO_VALUES : sums } as const;
      const packed = op === 'gather' ? undefined : this.#reducer.packed(peer.reducedSent - 1);
      const payload = () => packed ?? this.#reduced.view(first, count) ?? this.#copied(peer, this.#reduced, first, count);
      if (op === 'reduceScatter') put(message);
      else put(message, payload(), op === 'gather' ? undefined : this.#reducer.payloadSum(peer.reducedSent - 1));
    } else if (peer.partialsSent < partialsDue(peer.outbound, this.#kind)) {
      const { slot, piece } = peer.outbound.partial(peer.partialsSent++);
      const partial = this.#partials[this.#options.plan.partials[slot]!.index]!;
      const { first, count } = piece;
      // The checksum needs a copy, and what is in the cache then costs less to send.
      const payload = (checksums ? undefined : partial.view(first, count)) ?? this.#copied(peer, partial, first, count);
      put({ ...header, kind: 'partial', slot, first }, payload);
    } else {
      peer.isSending = false;
    }
  }

  #copied(peer: Peer, vector: OpenVector, first: number, count: number): Uint8Array {
    const payload = this.#outgoing.get(peer)!.subarray(0, count * Float32Array.BYTES_PER_ELEMENT);
    vector.read(first, count, payload, 0);
    return payload;
  }

  /** Pieces of the own chunk that can be given on in this round. */
  #reducedPieces(): number {
    if (this.#kind.op === 'gather') return this.#reducer.pieces;
    return this.#reducer.done() - (this.#reductions - 1) * this.#reducer.pieces;
  }

  #settle(): void {
    if (this.#pending === undefined || this.#reducedPieces() < this.#reducer.pieces) return;
    if (!this.#peers.every((peer) => hasReceived(peer, this.#round) && hasSent(peer, this.#kind))) return;
    this.#times = roundTimes({
      startedMs: this.#startedMs,
      firstArrivalMs: this.#firstArrivalMs,
      lastArrivalMs: this.#lastArrivalMs,
      summedMs: this.#summedMs,
      endedMs: performance.now(),
    });
    let sumSquares = 0;
    for (const block of this.#blockSumSquares) sumSquares += block;
    const result = {
      scalars: this.#scalars[this.#parity()]!,
      blockSumSquares: this.#blockSumSquares,
      sumSquares,
      finite: Number.isFinite(sumSquares),
    };
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
    const isDone = this.#pending === undefined || hasReceived(peer, this.#round);
    if (!isLeaving || !isDone) this.#lose(peer);
  }

  #lose(peer: Peer): void {
    const phase = this.waiting().find(({ member }) => member === peer.id)?.phase ?? 'between steps';
    const message = `allReduce: lost ${peer.id} in ${phase} (${this.#place()}): ${peer.gone}`;
    this.#fail(new MaestroError('peer-lost', message, { details: { member: peer.id, phase, ...this.#where() } }));
  }

  #timeout(): MaestroError {
    const waiting = this.waiting();
    const list = waiting.map(({ member, phase, done, due }) => `${member} at ${phase} (${done} of ${due} messages)`).join(', ');
    const message = `allReduce: not done after ${this.#options.stepTimeoutMs} ms, waiting for ${list || 'this member'} (${this.#place()})`;
    return new MaestroError('timeout', message, { details: { waiting, ...this.#where() } });
  }

  #checkRound(peer: Peer): void {
    if (peer.step === this.#step && roundCode(peer.kind) === roundCode(this.#kind)) return;
    const found = `${peer.id} is at step ${peer.step} in ${peer.kind.op}`;
    const message = `allReduce: ${found}, this member at step ${this.#step} in ${this.#kind.op} (generation ${this.#options.generation})`;
    this.#fail(new MaestroError('protocol-violation', message, { details: { member: peer.id, ...this.#where() } }));
  }

  #unexpected({ kind, step, slot, first, values, payload }: ChunkMessage): MaestroError {
    const found = `${kind} of step ${step}, slot ${slot}, first element ${first}, ${values.length} values, ${payload.length} bytes`;
    return new MaestroError('protocol-violation', `not the message that is due: ${found}`);
  }

  /** Ends the group with `error`: first the caller, then the peers, then the streams. */
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

  #parity(): 0 | 1 {
    return this.#reductions % 2 === 0 ? 0 : 1;
  }

  #place(): string {
    return `step ${this.#step}, generation ${this.#options.generation}`;
  }

  #where(): { readonly step: number; readonly generation: number } {
    return { step: this.#step, generation: this.#options.generation };
  }
}

function invalid(message: string): MaestroError {
  return new MaestroError('invalid-argument', `allReduce: ${message}`);
}
