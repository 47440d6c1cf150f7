import type { Lane } from './lane.ts';

/**
 * What the members of a view do together in one round: sum their partials and give the sum to all (`allReduce`); sum them and leave each
 * chunk with its owner, who tells all its sums of squares alone (`reduceScatter`); give the owners' chunks to all, or to member `root`
 * alone (`gather`).
 */
export type Round = { readonly op: 'allReduce' } | { readonly op: 'reduceScatter' } | { readonly op: 'gather'; readonly root?: number };

/** The round as the `slot` of the message that opens it: 0, 1, 2, or 3 + root. */
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

/** Partials that go over a lane in a round. */
export function partialsDue(lane: Lane, { op }: Round): number {
  return op === 'gather' ? 0 : lane.partialsDue;
}

/** Pieces of the sender's chunk, or of what it tells of them, that go over a lane to member `receiver` in a round. */
export function reducedDue(lane: Lane, round: Round, receiver: number): number {
  return round.op === 'gather' && round.root !== undefined && round.root !== receiver ? 0 : lane.reducedDue;
}

/** Where a member is: its rounds so far, this one included, and what this one is. Rounds count from 1 on in each view. */
export interface RoundPosition {
  round: number;
  kind: Round;
  /** Rounds that reduced something. */
  reductions: number;
  step: number;
}

/** Which of two buffers belongs to a reduction: a peer's scalars of the next step may come before this step ends. */
export function parity(reductions: number): 0 | 1 {
  return reductions % 2 === 0 ? 0 : 1;
}
