import { openArena, sumLanes } from '@maestro/kernels';
import type { ReducePlan } from '../plan/plan.ts';
import type { OpenVector } from '../plan/vector.ts';
import { BLOCKS_PER_PIECE, gatheredBytes, type Piece, pieceAt, pieceCount } from './lane.ts';

/**
 * Staging is as deep as fits in these bytes, at least {@link LEAST_DEPTH} pieces: it depends on the number of partials, not on the model's
 * size.
 */
const STAGING_BYTES = 64 << 20;
const LEAST_DEPTH = 2;
const MOST_DEPTH = 8;

/** The owner's part of the reduce-scatter: stages partials of its chunk and adds them in the plan's order, piece by piece. */
export interface Reducer {
  /** Pieces of the own chunk in a step. */
  readonly pieces: number;
  /** Pieces reduced since the reducer was opened, over all steps. */
  readonly done: () => number;
  /**
   * Copies a received partial of piece `piece` (counted over all steps) to its slot. Returns false when there is no room yet: the sender is
   * ahead of the slowest member by more than the staging holds, and must be held back until {@link reduceNext}.
   */
  readonly stage: (slot: number, piece: number, payload: Uint8Array) => boolean;
  /** True when every partial of the next piece has arrived. */
  readonly isReady: () => boolean;
  /** The payload's part of the checksum of piece `n` of this step; undefined unless {@link ReducerOptions.checksums} is set. */
  readonly payloadSum: (n: number) => bigint | undefined;
  /**
   * Sums the next piece, writes it to `reduced` and its sums of squares to `blockSumSquares`. When sums are gathered as bfloat16, the piece
   * is rounded first.
   */
  readonly reduceNext: () => Piece;
  /** Returns piece `n` of this step in its wire format; undefined when that is the same as in `reduced`. */
  readonly packed: (n: number) => Uint8Array | undefined;
  /** Writes a received piece of another member's chunk to `reduced`. */
  readonly takeReduced: (piece: Piece, payload: Uint8Array) => void;
}

/** Options of {@link openReducer}. */
export interface ReducerOptions {
  readonly plan: ReducePlan;
  /** Index of the member that owns the chunk. */
  readonly self: number;
  /** The member's own partials. Read, never written. */
  readonly partials: readonly OpenVector[];
  /** Written in the own chunk only. */
  readonly reduced: OpenVector;
  /** One float64 per block of the whole vector. Only the blocks of the own chunk are written. */
  readonly blockSumSquares: Float64Array;
  readonly checksums: boolean;
}

/** Opens the reducer and allocates all of its staging memory. */
export function openReducer({ plan, self, partials, reduced, blockSumSquares, checksums }: ReducerOptions): Reducer {
  const { blockSize } = plan;
  const pieceFloats = BLOCKS_PER_PIECE * blockSize;
  const pieces = pieceCount(plan, self);
  const { additions, result } = plan.programs[self]!;
  const own = plan.partials.filter(({ member }) => member === self);
  const remote = plan.partials.filter(({ member }) => member !== self);
  const pieceBytes = pieceFloats * Float32Array.BYTES_PER_ELEMENT;
  const fitting = Math.floor(STAGING_BYTES / (pieceBytes * Math.max(remote.length, 1)));
  const depth = remote.length === 0 ? 1 : Math.min(MOST_DEPTH, Math.max(LEAST_DEPTH, fitting));

  const isRounded = plan.allGather === 'bf16';
  const packedFloats = isRounded ? pieceFloats / 2 : 0;
  const arena = openArena({
    ranges: {
      own: own.length * pieceFloats,
      staging: depth * remote.length * pieceFloats,
      // Memory must not change while it is being sent, so each piece of the own chunk has its own place.
      packed: packedFloats * (plan.members.length > 1 ? pieces : 1),
      received: packedFloats,
      unpacked: isRounded ? pieceFloats : 0,
    },
  });
  const bytes = new Uint8Array(arena.memory.buffer);
  const { kernels, lanes } = arena;
  const ownAddress = arena.ranges.own.byteOffset;
  const stagingAddress = arena.ranges.staging.byteOffset;
  const place = plan.partials.map(({ slot, member }) => (member === self ? own : remote).findIndex((partial) => partial.slot === slot));
  const address = (slot: number, piece: number): number =>
    plan.partials[slot]!.member === self
      ? ownAddress + place[slot]! * pieceBytes
      : stagingAddress + ((piece % depth) * remote.length + place[slot]!) * pieceBytes;

  const packedAddress = (n: number): number =>
    arena.ranges.packed.byteOffset + (plan.members.length > 1 ? n : 0) * packedFloats * Float32Array.BYTES_PER_ELEMENT;
  const payloadSums: bigint[] = [];
  const staged = new Int32Array(depth);
  let done = 0;

  const sumSquares = (source: number, { first, count }: Piece): void => {
    for (let block = 0; block * blockSize < count; block++) {
      lanes.fill(0);
      const length = Math.min(blockSize, count - block * blockSize);
      kernels.sumSquares(source + block * blockSize * Float32Array.BYTES_PER_ELEMENT, length, lanes.byteOffset);
      blockSumSquares[first / blockSize + block] = sumLanes(lanes);
    }
  };

  return {
    pieces,
    done: () => done,
    stage: (slot, piece, payload) => {
      if (piece >= done + depth) return false;
      bytes.set(payload, address(slot, piece));
      staged[piece % depth]!++;
      return true;
    },
    isReady: () => staged[done % depth] === remote.length,
    payloadSum: (n) => payloadSums[n],
    reduceNext: () => {
      const piece = pieceAt(plan, self, done % pieces);
      own.forEach(({ slot, index }) => {
        partials[index]!.read(piece.first, piece.count, bytes, address(slot, done));
      });
      for (const { into, left, right } of additions)
        kernels.add(address(into, done), address(left, done), address(right, done), piece.count);
      const sum = address(result, done);
      const packed = packedAddress(done % pieces);
      if (isRounded) {
        kernels.packBfloat16(packed, sum, piece.count);
        kernels.unpackBfloat16(sum, packed, piece.count);
      }
      sumSquares(sum, piece);
      const words = gatheredBytes(plan, piece.count) / Uint32Array.BYTES_PER_ELEMENT;
      if (checksums) payloadSums[done % pieces] = kernels.checksum(isRounded ? packed : sum, words);
      reduced.write(piece.first, piece.count, bytes, sum);
      staged[done % depth] = 0;
      done++;
      return piece;
    },
    packed: (n) => {
      const at = packedAddress(n);
      return isRounded ? bytes.subarray(at, at + gatheredBytes(plan, pieceAt(plan, self, n).count)) : undefined;
    },
    takeReduced: ({ first, count }, payload) => {
      if (!isRounded) return reduced.write(first, count, payload, 0);
      const { received, unpacked } = arena.ranges;
      bytes.set(payload, received.byteOffset);
      kernels.unpackBfloat16(unpacked.byteOffset, received.byteOffset, count);
      reduced.write(first, count, bytes, unpacked.byteOffset);
    },
  };
}
