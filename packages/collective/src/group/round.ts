import type { Lane } from './lane.ts';

/**
 * Operation of a view's members in one round: sum their partials and send the sum to all (`allReduce`); sum them and leave each chunk with
 * its owner, which sends only its sums of squares (`reduceScatter`); send the owners' chunks to all, or only to member `root` (`gather`).
 */
export type Round = { readonly op: 'allReduce' } | { readonly op: 'reduceScatter' } | { readonly op: 'gather'; readonly root?: number };

/** Encodes the round as the `slot` of the message that opens it: 0, 1, 2, or 3 + root. */
export function roundCode(round: Round): number {
  if (round.op === 'allReduce') return 0;
  if (round.op === 'reduceScatter') return 1;
  return round.root === undefined ? 2 : 3 + round.root;
}

/** The inverse of {@link roundCode}. */
export function roundOf(code: number): Round {
  if (code === 0) return { op: 'allReduce' };
  if (code === 1) return { op: 'reduceScatter' };
  return code === 2 ? { op: 'gather' } : { op: 'gather', root: code - 3 };
}

/** Returns the number of partials sent over a lane in a round. */
export function partialsDue(lane: Lane, { op }: Round): number {
  return op === 'gather' ? 0 : lane.partialsDue;
}

/** Returns the number of pieces of the sender's chunk, or of messages about them, sent over a lane to member `receiver` in a round. */
export function reducedDue(lane: Lane, round: Round, receiver: number): number {
  return round.op === 'gather' && round.root !== undefined && round.root !== receiver ? 0 : lane.reducedDue;
}

/** A member's position: the number of its rounds, this one included, and the kind of this one. Rounds count from 1 in each view. */
export interface RoundPosition {
  round: number;
  kind: Round;
  /** Number of rounds that reduced something. */
  reductions: number;
  step: number;
}

/** Selects which of two buffers belongs to a reduction: a peer's scalars of the next step may arrive before this step ends. */
export function parity(reductions: number): 0 | 1 {
  return reductions % 2 === 0 ? 0 : 1;
}
