import { MaestroError, type Metrics, MOST_OWN_SERIES, type RankShare, type SkippedImage } from '@maestro/protocol';

/**
 * Scalars that each virtual rank contributes to a step: its part of the loss, its images, their digest, whether to hold after the step, the
 * sum of squares of the gradient where replicas train apart (at the first rank of each, else 0), whether all are to save the state after
 * it, the digest of what the bytes of its images were, and its sums of the recipe's own series, for which there is always room.
 */
export const SCALARS_PER_RANK = 7 + MOST_OWN_SERIES;
const NAMED_IN_ERROR = 5;
/** Index of each scalar. */
export const [LOSS, IMAGES, DIGEST, HOLD, SUM_SQUARES, SAVE, CONTENT, OWN_SERIES] = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/** Sums one scalar over the virtual ranks in order, so that the sum is the same whoever computed them. */
export function sumOverRanks(scalars: Float64Array, which: number): number {
  let sum = 0;
  for (let at = which; at < scalars.length; at += SCALARS_PER_RANK) sum += scalars[at]!;
  return sum;
}

/**
 * Counts the images of a step (its index); `skipped` are broken ones known to this member.
 * @throws MaestroError `data-invalid` when there are none: nothing can be learned from it.
 */
export function imagesOf(scalars: Float64Array, step: number, skipped: readonly SkippedImage[]): number {
  const images = sumOverRanks(scalars, IMAGES);
  if (images > 0) return images;
  const names = skipped.slice(0, NAMED_IN_ERROR).map(({ name, reason }) => `${name} (${reason})`);
  throw new MaestroError('data-invalid', `step ${step}: none of its images can be decoded; remove or mend them: ${names.join(', ')}, ...`);
}

/** The recipe's own series of a step, means over its `images`: of sums in the order of virtual ranks, as the loss is. */
export function ownMetricsOf(scalars: Float64Array, names: readonly string[], images: number): Metrics {
  return Object.fromEntries(names.map((name, i) => [name, sumOverRanks(scalars, OWN_SERIES + i) / images]));
}

/** Returns the samples of a step taken by each virtual rank. */
export function sharesOf(scalars: Float64Array): RankShare[] {
  return Array.from({ length: scalars.length / SCALARS_PER_RANK }, (_, rank) => ({
    images: scalars[rank * SCALARS_PER_RANK + IMAGES]!,
    digest: scalars[rank * SCALARS_PER_RANK + DIGEST]!,
    content: scalars[rank * SCALARS_PER_RANK + CONTENT]!,
  }));
}
