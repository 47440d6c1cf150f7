import type { Dataset, Sample } from './dataset.ts';
import { DIGEST_MODULUS } from './sampleDigest.ts';

/**
 * A hash of a sample's bytes, an integer in 1..2^52-1. Not cryptographic: it tells copies apart that differ by accident. Four lanes take one word
 * each in turn, as those of XXH32 do (Collet, github.com/Cyan4973/xxHash); they are closed in two ways, for 52 bits in place of 32.
 *
 * JavaScript at the memory's speed: calling OpenSSL takes longer than hashing a sample of 784 bytes here.
 */
export function contentHash(bytes: Uint8Array): number {
  const { length } = bytes;
  let a = (SEED + PRIME_1 + PRIME_2) | 0;
  let b = (SEED + PRIME_2) | 0;
  let c = SEED | 0;
  let d = (SEED - PRIME_1) | 0;
  const words = wordsOf(bytes);
  const whole = words.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    a = round(a, words[i]!);
    b = round(b, words[i + 1]!);
    c = round(c, words[i + 2]!);
    d = round(d, words[i + 3]!);
  }
  let low = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18) + length) | 0;
  let high = (round(round(round(round(length, d), b), a), c) ^ PRIME_5) | 0;
  for (let i = 4 * whole; i < length; i++) {
    low = Math.imul(rotate((low + Math.imul(bytes[i]!, PRIME_5)) | 0, 11), PRIME_1);
    high = round(high, (bytes[i]! + PRIME_4) | 0);
  }
  return (avalanche(high) >>> 12) * 2 ** 32 + avalanche(low) || 1;
}

/** The hash of what a sample is: the bytes of an image file, pixels, or the reason why it is known to be broken. */
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

/** What ties one reading to its bytes: of the sample's digest in its epoch ({@link sampleDigest}) and its content. */
export function readingDigest(digest: number, content: number): number {
  const low = avalanche(Math.imul(digest | 0, PRIME_2) ^ content);
  const high = avalanche(low ^ Math.imul((content / 2 ** 32) | 0, PRIME_3) ^ ((digest / 2 ** 32) | 0));
  return ((high >>> 12) * 2 ** 32 + low) % DIGEST_MODULUS;
}

/** A content hash as people see it: 13 hexadecimal digits. */
export const contentText = (hash: number): string => hash.toString(16).padStart(13, '0');

/** `dataset`, telling of each sample that is read what its content is. */
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

const SEED = 0x6d616573;
const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;
const PRIME_4 = 0x27d4eb2f;
const PRIME_5 = 0x165667b1;

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

/** XXH32's round, a bijection of the lane for any word and of the word for any lane. */
const round = (lane: number, word: number): number => Math.imul(rotate((lane + Math.imul(word, PRIME_2)) | 0, 13), PRIME_1);

function avalanche(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The whole words of `bytes`; those at an odd place in memory are copied. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const count = bytes.length >>> 2;
  if (bytes.byteOffset % 4 === 0) return new Int32Array(bytes.buffer, bytes.byteOffset, count);
  return new Int32Array(Uint8Array.prototype.slice.call(bytes).buffer, 0, count);
}
