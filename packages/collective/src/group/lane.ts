import type { ReducePlan } from '../plan/plan.ts';

/** Limits the float32 elements of one message: 4 blocks of 65,536, 1 MiB, the fastest size measured. */
export const BLOCKS_PER_PIECE = 4;

/** Elements `first .. first + count - 1` of the vector, sent as one message. */
export interface Piece {
  readonly first: number;
  readonly count: number;
}

/** Returns the bytes of a piece of the sum on the wire. Bfloat16 values are packed two to a word, so that a payload is whole words. */
export function gatheredBytes({ allGather }: Pick<ReducePlan, 'allGather'>, count: number): number {
  return Float32Array.BYTES_PER_ELEMENT * (allGather === 'bf16' ? Math.ceil(count / 2) : count);
}

/** Messages that one member sends to one other in a step. Both ends derive them from the plan, so nothing has to be negotiated. */
export interface Lane {
  /** Reduce-scatter messages: each piece of the receiver's chunk, in each of the sender's partials. */
  readonly partialsDue: number;
  /** All-gather messages: each piece of the sender's chunk. */
  readonly reducedDue: number;
  /** Returns the n-th reduce-scatter message: piece by piece, within a piece slot by slot. */
  readonly partial: (n: number) => { readonly slot: number; readonly piece: Piece };
  readonly reduced: (n: number) => Piece;
}

/** Returns the number of pieces of member `owner`'s chunk. */
export function pieceCount(plan: ReducePlan, owner: number): number {
  return Math.ceil(plan.chunks[owner]!.length / (BLOCKS_PER_PIECE * plan.blockSize));
}

/** Returns piece `n` of member `owner`'s chunk. */
export function pieceAt(plan: ReducePlan, owner: number, n: number): Piece {
  const chunk = plan.chunks[owner]!;
  const size = BLOCKS_PER_PIECE * plan.blockSize;
  return { first: chunk.first + n * size, count: Math.min(size, chunk.length - n * size) };
}

/** Plans the lane from member `from` to member `to`. */
export function planLane(plan: ReducePlan, from: number, to: number): Lane {
  const slots = plan.partials.filter(({ member }) => member === from).map(({ slot }) => slot);
  return {
    partialsDue: pieceCount(plan, to) * slots.length,
    reducedDue: pieceCount(plan, from),
    partial: (n) => ({ slot: slots[n % slots.length]!, piece: pieceAt(plan, to, Math.floor(n / slots.length)) }),
    reduced: (n) => pieceAt(plan, from, n),
  };
}
