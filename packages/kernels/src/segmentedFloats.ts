import { type Arena, openArena } from './arena.ts';
import { SUM_SQUARES_BLOCK, sumLanes } from './kernels.ts';
import { prefixPlan, type SegmentPlan } from './planSegments.ts';
import type { WasmMemory } from './webAssembly.ts';

/** One piece of a {@link SegmentedFloats}: elements `start .. start + floats.length` of the vector, in the memory of `arena`. */
export interface FloatPart {
  readonly start: number;
  readonly floats: Float32Array;
  readonly arena: Arena;
}

/** A flat float32 vector that may span several memories. Parts are in order, without gaps. */
export interface SegmentedFloats {
  readonly length: number;
  readonly parts: readonly FloatPart[];
}

/** Vectors with equal segments: segment k of each is in memory k, so that kernels can combine them. */
export interface SegmentedArena<Vector extends string = string, Scratch extends string = never> {
  readonly plan: SegmentPlan;
  readonly vectors: Readonly<Record<Vector, SegmentedFloats>>;
  readonly arenas: readonly Arena<Vector | Scratch>[];
  readonly description: SegmentedArenaDescription<Vector, Scratch>;
}

/** Description from which another thread opens the same shared memories; all of it can be posted. */
export interface SegmentedArenaDescription<Vector extends string = string, Scratch extends string = never> {
  readonly plan: SegmentPlan;
  readonly vectors: readonly Vector[];
  readonly lengths: Readonly<Partial<Record<Vector, number>>>;
  /** Ranges that every memory has besides the vectors: name to length in floats. */
  readonly scratch: Readonly<Record<Scratch, number>>;
  readonly memories: readonly WasmMemory[];
}

/**
 * Opens one arena per segment, each with the segment of every vector and all of `scratch`. Pass the `memories` of a description to open the
 * same ones on another thread.
 *
 * @throws RangeError when a segment does not fit a memory; see `maxSegmentFloats`.
 */
export function openSegments<Vector extends string, Scratch extends string = never>({
  plan,
  vectors,
  lengths = {} as Readonly<Partial<Record<Vector, number>>>,
  scratch = {} as Readonly<Record<Scratch, number>>,
  memories,
  shared = false,
}: {
  readonly plan: SegmentPlan;
  readonly vectors: readonly Vector[];
  /** Vectors that are shorter than the plan, and cut where it is cut. */
  readonly lengths?: Readonly<Partial<Record<Vector, number>>>;
  readonly scratch?: Readonly<Record<Scratch, number>>;
  readonly memories?: readonly WasmMemory[];
  readonly shared?: boolean;
}): SegmentedArena<Vector, Scratch> {
  const plans = new Map(vectors.map((name) => [name, prefixPlan(plan, lengths[name] ?? plan.length)]));
  const arenas = plan.segments.map((_, k) => {
    const floats = vectors.map((name) => [name, plans.get(name)!.segments[k]?.length ?? 0]);
    const ranges = { ...scratch, ...Object.fromEntries(floats) } as Record<Vector | Scratch, number>;
    const memory = memories?.[k];
    return openArena({ ranges, shared, ...(memory && { memory }) });
  });
  const vectorOf = (name: Vector): SegmentedFloats => {
    const { length, segments } = plans.get(name)!;
    return { length, parts: segments.map(({ start }, k) => ({ start, floats: arenas[k]!.ranges[name], arena: arenas[k]! })) };
  };
  return {
    plan,
    vectors: Object.fromEntries(vectors.map((name) => [name, vectorOf(name)])) as unknown as Record<Vector, SegmentedFloats>,
    arenas,
    description: { plan, vectors, lengths, scratch, memories: arenas.map(({ memory }) => memory) },
  };
}

/**
 * Returns the parts of `vector` that hold elements `start .. start + length`, as views of exactly those elements. Allocates a view per
 * part: create them once when they are used every step.
 */
export function sliceParts(vector: SegmentedFloats, start: number, length: number): FloatPart[] {
  if (start < 0 || length < 0 || start + length > vector.length) {
    throw new RangeError(`sliceParts: ${start} + ${length} lies outside a vector of ${vector.length}`);
  }
  return vector.parts.flatMap((part) => {
    const from = Math.max(start, part.start);
    const to = Math.min(start + length, part.start + part.floats.length);
    return from < to ? [{ start: from, floats: part.floats.subarray(from - part.start, to - part.start), arena: part.arena }] : [];
  });
}

/** Copies `source` to the whole of `target`. Equal lengths, any segments. */
export function copyFloats(target: SegmentedFloats | Float32Array, source: SegmentedFloats | Float32Array): void {
  if (target.length !== source.length) throw new RangeError(`copyFloats: ${source.length} floats into ${target.length}`);
  for (const { start, floats } of partsOf(target)) {
    for (const from of partsOf(source)) {
      const first = Math.max(start, from.start);
      const end = Math.min(start + floats.length, from.start + from.floats.length);
      if (first < end) floats.set(from.floats.subarray(first - from.start, end - from.start), first - start);
    }
  }
}

/** Elements `first .. first + length - 1` of a flat vector. */
export interface FloatRange {
  readonly first: number;
  readonly length: number;
}

/** Copies a range of `source` to the same elements of `target`; either may be an array that holds just these elements. */
export function copyRange(
  target: SegmentedFloats | Float32Array,
  source: SegmentedFloats | Float32Array,
  { first: start, length }: FloatRange,
): void {
  const pick = (vector: SegmentedFloats | Float32Array) => {
    if ('parts' in vector) return sliceParts(vector, start, length);
    if (vector.length !== length) throw new RangeError(`copyRange: an array of ${vector.length} floats for a range of ${length}`);
    return [{ start, floats: vector }];
  };
  const from = pick(source);
  for (const to of pick(target)) {
    for (const part of from) {
      const first = Math.max(to.start, part.start);
      const end = Math.min(to.start + to.floats.length, part.start + part.floats.length);
      if (first < end) to.floats.set(part.floats.subarray(first - part.start, end - part.start), first - to.start);
    }
  }
}

function partsOf(vector: SegmentedFloats | Float32Array): readonly { readonly start: number; readonly floats: Float32Array }[] {
  return 'parts' in vector ? vector.parts : [{ start: 0, floats: vector }];
}

/** target += source, element-wise, on vectors of one {@link SegmentedArena}. */
export function addFloats(target: SegmentedFloats, source: SegmentedFloats): void {
  target.parts.forEach(({ floats, arena }, k) => {
    const from = source.parts[k]!.floats;
    arena.kernels.add(floats.byteOffset, floats.byteOffset, from.byteOffset, floats.length);
  });
}

/**
 * Writes the sum of squares of each block of {@link SUM_SQUARES_BLOCK} elements of `start .. start + length`, in float64, to `out` (one
 * number per block; the last block may be short). The bits depend only on the elements: not on segments, nor on how a vector is split among
 * callers. A block is finite exactly when all its elements are, since no float32 square overflows float64.
 *
 * @throws RangeError when `start` is not a multiple of the block, or the parts are not cut at multiples of 8.
 */
export function blockSumSquares(vector: SegmentedFloats, start: number, length: number, out: Float64Array): void {
  if (start % SUM_SQUARES_BLOCK !== 0) throw new RangeError(`blockSumSquares: start ${start} is not a multiple of ${SUM_SQUARES_BLOCK}`);
  const end = Math.min(start + length, vector.length);
  let block = 0;
  for (let first = start; first < end; first += SUM_SQUARES_BLOCK, block++) {
    out[block] = sumSquares(vector, first, Math.min(first + SUM_SQUARES_BLOCK, end));
  }
}

function sumSquares({ parts }: SegmentedFloats, first: number, end: number): number {
  let lanes: Float64Array | undefined;
  for (const { start, floats, arena } of parts) {
    const from = Math.max(first, start);
    const to = Math.min(end, start + floats.length);
    if (from >= to) continue;
    if ((from - first) % 8 !== 0) throw new RangeError(`blockSumSquares: a part begins at ${start}, which is not a multiple of 8`);
    if (lanes === undefined) arena.lanes.fill(0);
    else arena.lanes.set(lanes);
    lanes = arena.lanes;
    arena.kernels.sumSquares(floats.byteOffset + 4 * (from - start), to - from, lanes.byteOffset);
  }
  return lanes === undefined ? 0 : sumLanes(lanes);
}
