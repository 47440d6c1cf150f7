import { fillUniforms } from '@maestro/kernels';
import { philox } from './philox.ts';

/**
 * Purposes of a draw. Part of the counter, so that draws for different purposes never share bits. The numbers are part of every job's
 * identity: append, never renumber.
 */
export const PURPOSES = { init: 0, permutation: 1, crop: 2, flip: 3, mask: 4, probe: 5 } as const;

/** A name in {@link PURPOSES}. */
export type Purpose = keyof typeof PURPOSES;

/** Purpose of a recipe's own draws, by name: see {@link purposeNumber}. */
export type RecipePurpose = `recipe.${string}`;

/** Address of one stream of random numbers: the same address gives the same numbers on every machine, in any order of use. */
export interface StreamAddress {
  /** The job's seed, an integer in 0..2^53-1. */
  readonly seed: number;
  readonly purpose: Purpose | RecipePurpose;
  /** The epoch, an integer in 0..2^32-1. */
  readonly epoch?: number;
  /** The sample's index in the data set, or the tensor's index; an integer in 0..2^32-1. */
  readonly index?: number;
}

/** An endless sequence of random numbers that starts at a {@link StreamAddress}. */
export interface RandomStream {
  /** Returns the next unsigned 32-bit integer. */
  uint32(): number;
  /** Returns the next uniform number in [0, 1), with 24 random bits (exact in float32). */
  uniform(): number;
  /** Returns the next draw of the standard normal distribution (Box-Muller on 53-bit uniforms). */
  normal(): number;
  /** Fills `out` with the next uniform numbers in [-bound, bound): `bound * (2 * uniform() - 1)` of each, at ten times the speed. */
  fillUniform(out: Float32Array, bound: number): void;
}

/** Opens the stream at `address`. Cheap: two small arrays, no warm-up. */
export function randomStream({ seed, purpose, epoch = 0, index = 0 }: StreamAddress): RandomStream {
  const key = Uint32Array.of(seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0);
  const counter = Uint32Array.of(0, index >>> 0, epoch >>> 0, purposeNumber(purpose));
  const words = new Uint32Array(4);
  let used = 4;
  let spareNormal = Number.NaN;

  const uint32 = (): number => {
    if (used === 4) {
      philox(counter, key, words);
      counter[0]!++;
      used = 0;
    }
    return words[used++]!;
  };
  const uniform = (): number => (uint32() >>> 8) / 2 ** 24;
  const uniform53 = (): number => ((uint32() >>> 5) * 2 ** 26 + (uint32() >>> 6)) / 2 ** 53;

  return {
    uint32,
    uniform,
    normal: () => {
      if (!Number.isNaN(spareNormal)) {
        const value = spareNormal;
        spareNormal = Number.NaN;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform53()));
      const angle = 2 * Math.PI * uniform53();
      spareNormal = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
    fillUniform: (out, bound) => {
      let at = 0;
      const one = (): void => {
        out[at++] = bound * (2 * uniform() - 1);
      };
      while (at < out.length && used < 4) one();
      const filled = fillUniforms(out.subarray(at), bound, counter, key);
      counter[0]! += filled / 4;
      at += filled;
      while (at < out.length) one();
    },
  };
}

/**
 * Returns the number of a purpose. A recipe's purpose is the FNV-1a hash of its name with the highest bit set: no list needs to hold it,
 * and it never collides with one of {@link PURPOSES}.
 */
function purposeNumber(purpose: Purpose | RecipePurpose): number {
  if (purpose in PURPOSES) return PURPOSES[purpose as Purpose];
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(purpose)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash | 0x80000000) >>> 0;
}
