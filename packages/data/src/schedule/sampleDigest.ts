import { permutation } from '@maestro/random';
import type { PositionRange } from './schedule.ts';

/** Digests are below this, so that the sum of two is exact in float64, including Lua's numbers. */
export const DIGEST_MODULUS = 2 ** 52;

/**
 * Digest of one sample of an epoch, an integer in 0..2^52-1. Two different samples of an epoch always differ in the low 32 bits: those are
 * a bijection of the sample (the finaliser of MurmurHash3, keyed by the epoch).
 *
 * @param epoch an integer in 0..2^32-1.
 * @param sample the sample's index in the data set, an integer in 0..2^32-1.
 */
export function sampleDigest(epoch: number, sample: number): number {
  const low = mix(sample ^ mix(epoch ^ 0x9e3779b9));
  const high = mix(low ^ mix(Math.imul(sample, 0x85157af5) + epoch));
  return (high >>> 12) * 2 ** 32 + low;
}

/** Digest of the union of two sets of samples; independent of order. */
export function addDigests(a: number, b: number): number {
  return (a + b) % DIGEST_MODULUS;
}

/** Digest of the remainder when a part with digest `b` is removed from a set with digest `a`. */
export function subtractDigests(a: number, b: number): number {
  return (a - b + DIGEST_MODULUS) % DIGEST_MODULUS;
}

/** Digest of the samples at a range of positions in an epoch's permutation of `samples`. */
export function positionsDigest({ epoch, first, count }: PositionRange, { seed, samples }: SampleSpace): number {
  const at = permutation({ seed, epoch, length: samples });
  const between = (from: number, to: number): number => {
    let sum = 0;
    for (let position = from; position < to; position++) sum = addDigests(sum, sampleDigest(epoch, at(position)));
    return sum;
  };
  const end = first + count;
  if (2 * count <= samples) return between(first, end);
  // Summing an epoch's samples regardless of order costs a tenth of the permutation: subtract those outside the range.
  let all = 0;
  for (let sample = 0; sample < samples; sample++) all = addDigests(all, sampleDigest(epoch, sample));
  return subtractDigests(all, addDigests(between(0, first), between(end, samples)));
}

/** Parameters of a job's permutations. */
export interface SampleSpace {
  readonly seed: number;
  /** Samples in the data set. */
  readonly samples: number;
}

/** The 32-bit finaliser of MurmurHash3 (Appleby), a bijection of the unsigned 32-bit integers. */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
