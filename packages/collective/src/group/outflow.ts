import type { ReducePlan } from '../plan/plan.ts';
import type { OpenVector } from '../plan/vector.ts';
import type { Reducer } from '../reduce/reducer.ts';
import { chunkChecksum, openSummable, type PayloadKernels } from '../wire/checksum.ts';
import { type ChunkHeader, encodeChunk } from '../wire/codec.ts';
import { BLOCKS_PER_PIECE } from './lane.ts';
import type { Link } from './link.ts';
import type { Peer } from './peer.ts';
import { partialsDue, type RoundPosition, reducedDue, roundCode } from './round.ts';

const NO_VALUES = new Float64Array(0);
const NO_PAYLOAD = new Uint8Array(0);

/** Options of {@link openOutflow}. */
export interface OutflowOptions {
  readonly plan: ReducePlan;
  readonly generation: number;
  readonly checksums: boolean;
  readonly payloads: PayloadKernels;
  readonly peers: readonly Peer[];
  /** This member's position in its rounds. */
  readonly position: Readonly<RoundPosition>;
  readonly partials: readonly OpenVector[];
  readonly reduced: OpenVector;
  readonly reducer: Reducer;
  readonly blockSumSquares: Float64Array;
  readonly linkOf: (peer: Peer) => Link | undefined;
  /** This member's scalars of the round in progress; undefined while there is none. */
  readonly scalars: () => Float64Array | undefined;
  /** Called when a message is on its stream and its memory is free again. */
  readonly onSent: () => void;
}

/** Sends peers the messages they are due, one at a time for each peer. */
export interface Outflow {
  /** Bytes of all messages so far, without gRPC and HTTP/2 framing. */
  readonly sentBytes: number;
  /** Returns the number of pieces of the own chunk that can be sent in this round. */
  reducedPieces(): number;
  /**
   * Sends the next message to a peer when its stream has room: reduced pieces first, since they are still in the cache and all peers wait
   * for them.
   */
  send(peer: Peer): void;
}

/** Opens the outflow of a group. */
export function openOutflow(options: OutflowOptions): Outflow {
  const { plan, generation, checksums, payloads, position, partials, reduced, reducer, blockSumSquares } = options;
  const { linkOf, scalars, onSent } = options;
  const payloadBytes = BLOCKS_PER_PIECE * plan.blockSize * Float32Array.BYTES_PER_ELEMENT;
  /** Copy buffers by peer, for payloads that cannot be sent from their vector in place. */
  const outgoing = new Map<Peer, Buffer>();
  let sentBytes = 0;

  const copied = (peer: Peer, vector: OpenVector, first: number, count: number): Uint8Array => {
    const buffer = outgoing.get(peer) ?? openSummable(payloadBytes);
    outgoing.set(peer, buffer);
    const payload = buffer.subarray(0, count * Float32Array.BYTES_PER_ELEMENT);
    vector.read(first, count, payload, 0);
    return payload;
  };

  const reducedPieces = (): number => {
    if (position.kind.op === 'gather') return reducer.pieces;
    return reducer.done() - (position.reductions - 1) * reducer.pieces;
  };

  const send = (peer: Peer): void => {
    const own = scalars();
    const link = linkOf(peer);
    if (own === undefined || link === undefined || peer.isSending) return;
    const sent = () => {
      peer.isSending = false;
      send(peer);
      onSent();
    };
    const header = { generation, step: position.step, slot: 0, first: 0, values: NO_VALUES };
    const put = (message: ChunkHeader, payload?: Uint8Array, sum?: bigint) => {
      const of = checksums && { checksum: chunkChecksum(sum ?? payloads.sum(payload ?? NO_PAYLOAD), message.values) };
      const frame = encodeChunk({ ...message, ...of }, payload);
      sentBytes += frame.length;
      link.send(frame, sent);
    };
    peer.isSending = true;
    const { op } = position.kind;
    if (!peer.areScalarsSent) {
      peer.areScalarsSent = true;
      put({ ...header, kind: 'scalars', slot: roundCode(position.kind), values: own });
    } else if (peer.reducedSent < Math.min(reducedPieces(), reducedDue(peer.outbound, position.kind, peer.index))) {
      const { first, count } = peer.outbound.reduced(peer.reducedSent++);
      const block = first / plan.blockSize;
      const sums = blockSumSquares.subarray(block, block + Math.ceil(count / plan.blockSize));
      const message = { ...header, kind: 'reduced', first, values: op === 'gather' ? NO_VALUES : sums } as const;
      const packed = op === 'gather' ? undefined : reducer.packed(peer.reducedSent - 1);
      const payload = () => packed ?? reduced.view(first, count) ?? copied(peer, reduced, first, count);
      if (op === 'reduceScatter') put(message);
      else put(message, payload(), op === 'gather' ? undefined : reducer.payloadSum(peer.reducedSent - 1));
    } else if (peer.partialsSent < partialsDue(peer.outbound, position.kind)) {
      const { slot, piece } = peer.outbound.partial(peer.partialsSent++);
      const partial = partials[plan.partials[slot]!.index]!;
      const { first, count } = piece;
      // The portable checksum needs a copy anyway, and sending from a copy in the cache is cheaper.
      const inPlace = checksums && payloads.library === undefined ? undefined : partial.view(first, count);
      const payload = inPlace ?? copied(peer, partial, first, count);
      put({ ...header, kind: 'partial', slot, first }, payload);
    } else {
      peer.isSending = false;
    }
  };

  return {
    get sentBytes() {
      return sentBytes;
    },
    reducedPieces,
    send,
  };
}
