import { MAX_ARENA_FLOATS } from './arena.ts';

/** A contiguous piece of a flat vector, in float32 elements. */
export interface Segment {
  readonly start: number;
  readonly length: number;
}

/** A flat vector of `length` floats divided into contiguous segments. */
export interface SegmentPlan {
  readonly length: number;
  readonly segments: readonly Segment[];
}

/**
 * Divides a flat vector into as few segments as `maxFloats` allows, never inside a tensor. Greedy from the left, so the plan is a pure
 * function of its arguments.
 *
 * @param tensors offsets of the tensors, in order; the first at 0. Each reaches to the next, the last to `length`.
 * @param maxFloats maximum float32 elements of one segment.
 * @throws RangeError when a tensor is larger than a segment, or the offsets are not ascending from 0.
 */
export function planSegments({
  length,
  tensors,
  maxFloats,
}: {
  readonly length: number;
  readonly tensors: readonly { readonly name: string; readonly offset: number }[];
  readonly maxFloats: number;
}): SegmentPlan {
  const segments: Segment[] = [];
  let start = 0;
  tensors.forEach(({ name, offset }, i) => {
    const end = tensors[i + 1]?.offset ?? length;
    if (offset > end || (i === 0 && offset !== 0)) throw new RangeError(`planSegments: ${name} begins at ${offset} and ends at ${end}`);
    if (end - offset > maxFloats) {
      throw new RangeError(`planSegments: ${name} has ${end - offset} floats, a segment holds ${maxFloats}; a tensor is never split`);
    }
    if (end - start > maxFloats) {
      segments.push({ start, length: offset - start });
      start = offset;
    }
  });
  segments.push({ start, length: length - start });
  return { length, segments };
}

/** The cut of a vector that is the first `length` floats of a plan's. */
export function prefixPlan({ segments }: SegmentPlan, length: number): SegmentPlan {
  const kept = segments.filter(({ start }, k) => k === 0 || start < length);
  return { length, segments: kept.map((segment) => ({ ...segment, length: Math.min(segment.length, length - segment.start) })) };
}

/** The most floats that a segment may have when `vectors` such vectors and the ranges of `scratch` share one memory. */
export function maxSegmentFloats(vectors: number, scratch: Readonly<Record<string, number>> = {}): number {
  const scratchFloats = Object.values(scratch).reduce((sum, length) => sum + Math.ceil(length / 16) * 16, 0);
  return Math.floor((MAX_ARENA_FLOATS - scratchFloats) / vectors / 16) * 16;
}
