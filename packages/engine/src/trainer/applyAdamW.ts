import { type AdamWOptions, type Arena, adamWScalars, type FloatRange, type SegmentedFloats } from '@maestro/kernels';
import { assertInternal } from '@maestro/protocol';
import type { FlatLayout } from '../flatLayout.ts';

/** Gradient elements that are copied in at a time: 256 KiB, so that the kernel finds them in the cache. */
export const STAGING_FLOATS = 65_536;

/** A piece of one parameter tensor with everything that its update touches, made once. */
export interface AdamWChunk {
  readonly arena: Arena<'staging'>;
  readonly decays: boolean;
  readonly length: number;
  /** The piece of the reduced gradient, in shared memory. */
  readonly gradient: Float32Array;
  /** Where it is copied to. */
  readonly staging: Float32Array;
  /** Byte offsets in the arena's memory. */
  readonly parameters: number;
  readonly firstMoments: number;
  readonly secondMoments: number;
}

/**
 * Cuts what lies in `range` of every tensor of `layout` into pieces of at most {@link STAGING_FLOATS}. `gradient` is cut into segments like
 * `arenas`. Where pieces end changes no bit: AdamW works on each element alone.
 */
export function adamWChunks(
  layout: FlatLayout,
  arenas: readonly Arena<'parameters' | 'firstMoments' | 'secondMoments' | 'staging'>[],
  gradient: SegmentedFloats,
  range: FloatRange = { first: 0, length: layout.length },
): AdamWChunk[] {
  return layout.tensors.flatMap(({ offset, size, decay }) => {
    const segment = gradient.parts.findLastIndex(({ start }) => start <= offset);
    const part = gradient.parts[segment];
    const arena = arenas[segment];
    assertInternal(part && arena, `no segment holds offset ${offset}`);
    const chunks: AdamWChunk[] = [];
    const end = Math.min(offset + size, range.first + range.length);
    for (let first = Math.max(offset, range.first); first < end; first += STAGING_FLOATS) {
      const at = first - part.start;
      const length = Math.min(STAGING_FLOATS, end - first);
      chunks.push({
        arena,
        decays: decay,
        length,
        gradient: part.floats.subarray(at, at + length),
        staging: arena.ranges.staging.subarray(0, length),
        parameters: arena.ranges.parameters.byteOffset + 4 * at,
        firstMoments: arena.ranges.firstMoments.byteOffset + 4 * at,
        secondMoments: arena.ranges.secondMoments.byteOffset + 4 * at,
      });
    }
    return chunks;
  });
}

/** One AdamW step over all chunks; tensors that do not decay get a decay factor of exactly 1. */
export function applyAdamW(chunks: readonly AdamWChunk[], options: AdamWOptions): void {
  const scalars = adamWScalars(options);
  for (const chunk of chunks) {
    chunk.staging.set(chunk.gradient);
    chunk.arena.kernels.adamW(
      chunk.parameters,
      chunk.staging.byteOffset,
      chunk.firstMoments,
      chunk.secondMoments,
      chunk.length,
      scalars.gradScale,
      chunk.decays ? scalars.decay : 1,
      scalars.beta1Rest,
      scalars.beta2,
      scalars.beta2Rest,
      scalars.correction,
      scalars.epsilon,
      scalars.negativeStepSize,
    );
  }
}
