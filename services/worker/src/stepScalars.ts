import type { RankShare } from '@maestro/protocol';

/**
 * Scalars that each virtual rank contributes to a step: its part of the loss, its images, their digest, whether to hold after the step, the
 * sum of squares of the gradient where replicas train apart (at the first rank of each, else 0), and whether all are to save the state after it.
 */
export const SCALARS_PER_RANK = 6;
/** The place of each scalar. */
export const [LOSS, IMAGES, DIGEST, HOLD, SUM_SQUARES, SAVE] = [0, 1, 2, 3, 4, 5] as const;

/** Sums one scalar over the virtual ranks in order, so that the sum is the same whoever computed them. */
export function sumOverRanks(scalars: Float64Array, which: number): number {
  let sum = 0;
  for (let at = which; at < scalars.length; at += SCALARS_PER_RANK) sum += scalars[at]!;
  return sum;
}

/** What of a step's samples each virtual rank has taken. */
export function sharesOf(scalars: Float64Array): RankShare[] {
  return Array.from({ length: scalars.length / SCALARS_PER_RANK }, (_, rank) => ({
    images: scalars[rank * SCALARS_PER_RANK + IMAGES]!,
    digest: scalars[rank * SCALARS_PER_RANK + DIGEST]!,
  }));
}
