import { openXxh3 } from '@maestro/kernels';
import type { Dataset, Sample } from '../formats/dataset.ts';
import { DIGEST_MODULUS } from '../schedule/sampleDigest.ts';

/**
 * Hashes bytes to an integer in 1..2^52-1: the lower 52 bits of 64-bit XXH3 with seed 0 (1 in place of 0), which are the last 13 digits
 * printed by `xxhsum -H3`. Not cryptographic: it detects accidental differences between copies. Two different contents collide with
 * probability 2^-52.
 */
export function contentHash(bytes: Uint8Array): number {
  hasher ??= openXxh3();
  const [high, low] = hasher(bytes);
  return (high & 0xf_ffff) * 2 ** 32 + low || 1;
}

let hasher: ReturnType<typeof openXxh3> | undefined;

/** Hashes a sample's content: the bytes of an image file, pixels, or the reason why it is known to be broken. */
export function sampleContent(sample: Sample): number {
  switch (sample.kind) {
    case 'encoded':
      return contentHash(sample.bytes);
    case 'pixels':
      return contentHash(sample.data);
    case 'broken':
      return contentHash(Buffer.from(sample.reason));
  }
}

/** Combines a sample's digest in its epoch ({@link sampleDigest}) with its content hash. */
export function readingDigest(digest: number, content: number): number {
  const low = avalanche(Math.imul(digest | 0, PRIME_2) ^ content);
  const high = avalanche(low ^ Math.imul((content / 2 ** 32) | 0, PRIME_3) ^ ((digest / 2 ** 32) | 0));
  return ((high >>> 12) * 2 ** 32 + low) % DIGEST_MODULUS;
}

/** Formats a content hash as 13 hexadecimal digits. */
export const contentText = (hash: number): string => hash.toString(16).padStart(13, '0');

/** Wraps `dataset`, reporting the content hash of each sample that is read. */
export function watchContents(dataset: Dataset, onRead: (index: number, content: number) => void): Dataset {
  return {
    ...dataset,
    async read(index) {
      const sample = await dataset.read(index);
      onRead(index, sampleContent(sample));
      return sample;
    },
  };
}

/** Two primes of XXH32. */
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;

function avalanche(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}
