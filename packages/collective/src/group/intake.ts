import type { ReducePlan } from '../plan/plan.ts';
import type { OpenVector } from '../plan/vector.ts';
import type { Reducer } from '../reduce/reducer.ts';
import { chunkChecksum, type PayloadKernels } from '../wire/checksum.ts';
import type { ChunkMessage } from '../wire/codec.ts';
import { gatheredBytes, type Piece } from './lane.ts';
import { hasReceived, type Peer } from './peer.ts';
import { parity, partialsDue, type RoundPosition, reducedDue, roundOf } from './round.ts';
import { corruptMessage, unexpectedMessage } from './roundErrors.ts';

/** Options of {@link openIntake}. */
export interface IntakeOptions {
  readonly plan: ReducePlan;
  readonly scalarsPerRank: number;
  /** This member's position in its rounds. */
  readonly position: Readonly<RoundPosition>;
  readonly reducer: Reducer;
  readonly payloads: PayloadKernels;
  readonly reduced: OpenVector;
  readonly blockSumSquares: Float64Array;
  /** Indexed by {@link parity} of the reductions: `scalarsPerRank` values for each virtual rank. */
  readonly scalars: readonly [Float64Array, Float64Array];
  /** Called when a peer has opened its next round. */
  readonly onOpened: (peer: Peer) => void;
}

/** Accepts messages from peers, each in its turn: both ends derive the expected order from the plan. */
export interface Intake {
  /**
   * Accepts one message of a peer; returns false when there is no room for it yet.
   * @throws MaestroError `protocol-violation` when it is not the expected message, or is corrupt.
   */
  take(peer: Peer, chunk: ChunkMessage): boolean;
}

/** Opens the intake of a group. */
export function openIntake(options: IntakeOptions): Intake {
  const { plan, scalarsPerRank, position, reducer, payloads, reduced, blockSumSquares, scalars, onOpened } = options;

  /** Compares a chunk with its checksum. `sum` is its payload's part, where that is known. */
  const verify = (chunk: ChunkMessage, sum?: bigint): void => {
    if (chunk.checksum === undefined) return;
    const found = chunkChecksum(sum ?? payloads.sum(chunk.payload), chunk.values);
    if (found !== chunk.checksum) throw corruptMessage(chunk, found);
  };

  const writeTo = (vector: OpenVector, { first, count }: Piece, payload: Uint8Array): bigint | undefined => {
    const target = vector.view(first, count);
    if (target !== undefined) return payloads.copy(target, payload);
    vector.write(first, count, payload, 0);
    return undefined;
  };

  const takePartial = (peer: Peer, chunk: ChunkMessage): boolean => {
    const due = partialsDue(peer.inbound, peer.kind);
    if (peer.round === 0 || peer.partialsReceived >= due) throw unexpectedMessage(chunk);
    const { slot, piece } = peer.inbound.partial(peer.partialsReceived);
    const isDue = chunk.slot === slot && isPiece(peer, chunk, piece, Float32Array.BYTES_PER_ELEMENT * piece.count);
    if (!isDue) throw unexpectedMessage(chunk);
    const { pieces } = reducer;
    const index = Math.floor((peer.partialsReceived * pieces) / due);
    const stored = reducer.stage(slot, (peer.reductions - 1) * pieces + index, chunk.payload);
    if (stored === false) return false;
    verify(chunk, stored);
    peer.partialsReceived++;
    return true;
  };

  const takeReduced = (peer: Peer, chunk: ChunkMessage): boolean => {
    const { op } = peer.kind;
    const isEarly = peer.round === position.round + 1 && op === 'gather';
    // Other members' chunks may be overwritten from the reduce-scatter on; in any other round the caller may still read them.
    if (isEarly && position.kind.op !== 'reduceScatter') return false;
    const isDue = peer.reducedReceived < reducedDue(peer.inbound, peer.kind, peer.self);
    if (!isDue || !(isEarly || peer.round === position.round)) throw unexpectedMessage(chunk);
    const piece = peer.inbound.reduced(peer.reducedReceived);
    const blocks = op === 'gather' ? 0 : Math.ceil(piece.count / plan.blockSize);
    const sizeBytes = { allReduce: gatheredBytes(plan, piece.count), reduceScatter: 0, gather: 4 * piece.count }[op];
    if (chunk.values.length !== blocks || !isPiece(peer, chunk, piece, sizeBytes)) throw unexpectedMessage(chunk);
    if (op === 'allReduce') verify(chunk, reducer.takeReduced(piece, chunk.payload));
    else if (op === 'gather') verify(chunk, writeTo(reduced, piece, chunk.payload));
    else verify(chunk);
    if (blocks > 0) blockSumSquares.set(chunk.values, piece.first / plan.blockSize);
    peer.reducedReceived++;
    return true;
  };

  const takeScalars = (peer: Peer, chunk: ChunkMessage): boolean => {
    const { firstRank, ranks } = plan.members[peer.index]!;
    const kind = roundOf(chunk.slot);
    verify(chunk);
    const isReduction = kind.op !== 'gather';
    // A round ends only after all members have opened it, so that no peer gets further ahead.
    const isNext = peer.round <= position.round && (peer.round === 0 || hasReceived(peer, peer.round));
    if (!isNext || chunk.values.length !== (isReduction ? ranks * scalarsPerRank : 0)) throw unexpectedMessage(chunk);
    peer.round++;
    peer.kind = kind;
    peer.step = chunk.step;
    peer.partialsReceived = 0;
    peer.reducedReceived = 0;
    if (isReduction) {
      peer.reductions++;
      scalars[parity(peer.reductions)].set(chunk.values, firstRank * scalarsPerRank);
    }
    peer.arrivedMs = performance.now();
    onOpened(peer);
    return true;
  };

  const takers = { partial: takePartial, reduced: takeReduced, scalars: takeScalars };
  return {
    take: (peer, chunk) => takers[chunk.kind](peer, chunk),
  };
}

function isPiece(peer: Peer, { step, first, payload }: ChunkMessage, piece: Piece, sizeBytes: number): boolean {
  return step === peer.step && first === piece.first && payload.length === sizeBytes;
}
