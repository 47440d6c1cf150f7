import type { StateShard } from './messages.ts';

/** Elements `first .. first + length - 1` of a flat vector. */
export interface ElementRange {
  readonly first: number;
  readonly length: number;
}

/** A piece of a range, and its holder. */
export interface CoveredPiece<Holder> extends ElementRange {
  readonly holder: Holder;
}

/**
 * Splits a range into pieces that each lie within one holder's, preferring those first in the list; undefined when nobody holds some
 * element.
 */
export function coverRange<Holder extends ElementRange>(
  { first, length }: ElementRange,
  holders: readonly Holder[],
): CoveredPiece<Holder>[] | undefined {
  const end = first + length;
  const pieces: CoveredPiece<Holder>[] = [];
  for (let at = first; at < end; ) {
    const holder = holders.find((each) => each.first <= at && at < each.first + each.length);
    if (holder === undefined) return undefined;
    const until = Math.min(end, holder.first + holder.length);
    pieces.push({ holder, first: at, length: until - at });
    at = until;
  }
  return pieces;
}

/** Returns the newest step whose whole state the given parts cover together; -1 when there is none. `length` is that of the flat vector. */
export function newestWholeStep(shards: readonly StateShard[], length: number): number {
  const steps = [...new Set(shards.map(({ step }) => step))].sort((a, b) => b - a);
  const isWhole = (of: number): boolean => {
    const there = shards.filter(({ step }) => step === of);
    return coverRange({ first: 0, length }, there) !== undefined;
  };
  return (length > 0 ? steps.find(isWhole) : undefined) ?? -1;
}
