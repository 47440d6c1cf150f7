import { expect, test } from '@jest/globals';
import { permutation } from '@maestro/random';
import fc from 'fast-check';
import { addDigests, DIGEST_MODULUS, positionsDigest, sampleDigest, subtractDigests } from './sampleDigest.ts';

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const digest = fc.integer({ min: 0, max: DIGEST_MODULUS - 1 });
const sum = (digests: readonly number[]) => digests.reduce(addDigests, 0);

test('a digest is an integer below 2^52 for any epoch and sample', () => {
  fc.assert(
    fc.property(word, word, (epoch, sample) => {
      const value = sampleDigest(epoch, sample);
      return Number.isInteger(value) && value >= 0 && value < DIGEST_MODULUS;
    }),
  );
});

test('digests of one epoch never meet, those of neighbouring epochs and samples do not either', () => {
  const digests = new Set<number>();
  for (let epoch = 0; epoch < 20; epoch++) for (let sample = 0; sample < 5000; sample++) digests.add(sampleDigest(epoch, sample));
  expect(digests.size).toBe(100_000);
});

test('one bit more or less in sample or epoch changes half the bits', () => {
  let [changed, tried] = [0, 0];
  const bitsOf = (value: number) => value.toString(2).padStart(52, '0');
  for (let sample = 0; sample < 500; sample++) {
    for (let bit = 0; bit < 20; bit++) {
      for (const [epoch, other] of [[3, sample ^ (1 << bit)] as const, [3 ^ (1 << (bit % 8)), sample] as const]) {
        const [a, b] = [bitsOf(sampleDigest(3, sample)), bitsOf(sampleDigest(epoch, other))];
        changed += [...a].filter((char, at) => char !== b[at]).length;
        tried += 52;
      }
    }
  }
  expect(changed / tried).toBeCloseTo(0.5, 2);
});

test('sums are exact, do not depend on the order, and can be taken apart', () => {
  fc.assert(
    fc.property(fc.array(digest, { maxLength: 50 }), digest, (digests, one) => {
      const exact = digests.reduce((total, each) => (total + BigInt(each)) % BigInt(DIGEST_MODULUS), 0n);
      expect(BigInt(sum(digests))).toBe(exact);
      expect(sum([...digests].reverse())).toBe(sum(digests));
      expect(subtractDigests(addDigests(sum(digests), one), one)).toBe(sum(digests));
    }),
  );
});

test('the digest of a run of positions is the sum over its samples, for short runs, long ones and whole epochs', () => {
  const range = fc.tuple(fc.integer({ min: 1, max: 400 }), fc.nat(), fc.nat()).map(([samples, a, b]) => {
    const [first, end] = [a % (samples + 1), b % (samples + 1)].sort((x, y) => x - y) as [number, number];
    return { samples, first, count: end - first };
  });
  fc.assert(
    fc.property(range, fc.nat(), fc.nat({ max: 900 }), ({ samples, first, count }, seed, epoch) => {
      const at = permutation({ seed, epoch, length: samples });
      const expected = sum(Array.from({ length: count }, (_, i) => sampleDigest(epoch, at(first + i))));
      expect(positionsDigest({ epoch, first, count }, { seed, samples })).toBe(expected);
    }),
  );
});
