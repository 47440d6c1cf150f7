import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addDigests, DIGEST_MODULUS, sampleDigest } from '../schedule/sampleDigest.ts';
import { contentHash, readingDigest, sampleContent } from './contentHash.ts';

test('a content hash is an integer in 1..2^52-1, the same wherever in memory the bytes lie', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 7 }), (bytes, offset) => {
      const hash = contentHash(bytes);
      expect(Number.isSafeInteger(hash) && hash > 0 && hash < DIGEST_MODULUS).toBe(true);
      const moved = Buffer.alloc(offset + bytes.length + 3);
      moved.set(bytes, offset);
      expect(contentHash(moved.subarray(offset, offset + bytes.length))).toBe(hash);
      const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
      shared.set(bytes);
      expect(contentHash(shared)).toBe(hash);
    }),
  );
});

test('any one bit, and any byte more or less, changes the hash, and half of its bits', () => {
  let [changed, tried] = [0, 0];
  for (const length of [1, 3, 16, 17, 47, 784]) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 89) & 255);
    const hash = contentHash(bytes);
    for (let at = 0; at < length; at++) {
      for (let bit = 0; bit < 8; bit += length > 100 ? 7 : 1) {
        const other = bytes.slice();
        other[at]! ^= 1 << bit;
        const found = contentHash(other);
        if (found === hash) throw new Error(`bit ${bit} of byte ${at} of ${length} does not count`);
        changed += [...(BigInt(found) ^ BigInt(hash)).toString(2)].filter((digit) => digit === '1').length;
        tried += 52;
      }
    }
    expect(contentHash(bytes.subarray(1))).not.toBe(hash);
    expect(contentHash(Uint8Array.of(...bytes, 0))).not.toBe(hash);
  }
  expect(changed / tried).toBeCloseTo(0.5, 1);
});

test('what is known to be broken has the content of its reason', () => {
  expect(sampleContent({ kind: 'broken', reason: 'cut off' })).toBe(contentHash(Buffer.from('cut off')));
});

test('a reading counts for its sample, its epoch and its bytes', () => {
  const digests = new Set<number>();
  for (let epoch = 0; epoch < 10; epoch++)
    for (let sample = 0; sample < 200; sample++)
      for (let copy = 0; copy < 10; copy++)
        digests.add(readingDigest(sampleDigest(epoch, sample), contentHash(Uint8Array.of(sample & 255, copy))));
  expect(digests.size).toBe(20_000);
  expect([...digests].every((digest) => Number.isSafeInteger(digest) && digest >= 0 && digest < DIGEST_MODULUS)).toBe(true);
  // Two samples that change places are told apart, though the sum has no order.
  const [a, b] = [contentHash(Uint8Array.of(1)), contentHash(Uint8Array.of(2))];
  const sum = (first: number, second: number) =>
    addDigests(readingDigest(sampleDigest(0, 0), first), readingDigest(sampleDigest(0, 1), second));
  expect(sum(a, b)).not.toBe(sum(b, a));
});
