import { BLOCKS_PER_PIECE, gatheredBytes, type Piece, pieceCount } from '../group/lane.ts';
import type { ReducePlan } from '../plan/plan.ts';
import type { OpenVector } from '../plan/vector.ts';
import type { PayloadKernels } from '../wire/checksum.ts';

/** Checksums of payloads, where they were computed on the way. */
export interface PieceChecksums {
  /** Of the sum as it is gathered. */
  readonly gathered: bigint | undefined;
  /** Of the late payload. */
  readonly late: bigint | undefined;
}

/** A partial that is still where it was received. */
export interface LatePartial {
  readonly slot: number;
  readonly payload: Uint8Array;
}

/** Staging memory of a chunk's owner, and the arithmetic on it. */
export interface PieceSums {
  /** Copies a received partial of piece `piece` (counted over all steps) to its place. Returns its checksum if it was computed on the way. */
  readonly store: (slot: number, piece: number, payload: Uint8Array) => bigint | undefined;
  /**
   * Sums piece `piece` (counted over all steps) of the stored partials, this member's own and `late`; writes it to `reduced` and its sums of
   * squares to `blockSumSquares`. When sums are gathered as bfloat16, it is rounded first.
   */
  readonly sum: (where: Piece, piece: number, late: LatePartial | undefined) => PieceChecksums;
  /** Returns piece `n` of the chunk in its wire format; undefined when that is the same as in `reduced`. */
  readonly packed: (n: number, bytes: number) => Uint8Array | undefined;
  /** Writes a received piece of another member's chunk to `reduced`. Returns its checksum if it was computed on the way. */
  readonly takeReduced: (where: Piece, payload: Uint8Array) => bigint | undefined;
}

/** What the sums of a member's chunk are opened with. */
export interface PieceSumsOptions {
  readonly plan: ReducePlan;
  /** Index of the member that owns the chunk. */
  readonly self: number;
  /** The member's own partials. Read, never written. */
  readonly partials: readonly OpenVector[];
  readonly reduced: OpenVector;
  /** One float64 per block of the whole vector. Only the blocks of the own chunk are written. */
  readonly blockSumSquares: Float64Array;
  readonly checksums: boolean;
  readonly payloads: PayloadKernels;
  /** Number of pieces that are staged at a time. */
  readonly depth: number;
}

/** Where things are in the memory of a chunk's owner. */
export interface PieceLayout {
  readonly pieceFloats: number;
  /** Floats of a packed piece: 0 unless sums are rounded. */
  readonly packedFloats: number;
  /** Position of a slot among the partials of this member, or among those of the others. */
  readonly place: readonly number[];
  readonly isOwn: readonly boolean[];
  readonly owns: number;
  readonly remotes: number;
  /** Lengths of the ranges that all sums need. */
  readonly ranges: { readonly own: number; readonly staging: number; readonly packed: number };
  /** Position of a packed piece. Memory must not change while it is being sent, so each piece has its own. */
  readonly packedPlace: (n: number) => number;
}

/** Lays out the memory of a chunk's owner. */
export function layPieces({ plan, self, depth }: Pick<PieceSumsOptions, 'plan' | 'self' | 'depth'>): PieceLayout {
  const pieceFloats = BLOCKS_PER_PIECE * plan.blockSize;
  const packedFloats = plan.allGather === 'bf16' ? pieceFloats / 2 : 0;
  const isOwn = plan.partials.map(({ member }) => member === self);
  const owns = isOwn.filter(Boolean).length;
  const remotes = isOwn.length - owns;
  const counts = { own: 0, remote: 0 };
  const hasPeers = plan.members.length > 1;
  return {
    pieceFloats,
    packedFloats,
    isOwn,
    place: isOwn.map((own) => counts[own ? 'own' : 'remote']++),
    owns,
    remotes,
    ranges: {
      own: owns * pieceFloats,
      staging: depth * remotes * pieceFloats,
      packed: packedFloats * (hasPeers ? pieceCount(plan, self) : 1),
    },
    packedPlace: (n) => (hasPeers ? n : 0) * packedFloats,
  };
}

/** Words of a piece on the wire. */
export function gatheredWords(plan: ReducePlan, { count }: Piece): number {
  return gatheredBytes(plan, count) / Uint32Array.BYTES_PER_ELEMENT;
}
