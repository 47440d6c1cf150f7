import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { permutation, randomStream } from './index.ts';
import { philox } from './philox.ts';

test('philox gives the known answers of the Random123 distribution', () => {
  const out = new Uint32Array(4);
  philox(new Uint32Array(4), new Uint32Array(2), out);
  expect([...out]).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  philox(new Uint32Array(4).fill(0xffffffff), new Uint32Array(2).fill(0xffffffff), out);
  expect([...out]).toEqual([0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
  philox(Uint32Array.of(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344), Uint32Array.of(0xa4093822, 0x299f31d0), out);
  expect([...out]).toEqual([0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]);
});

test('a stream depends on its address alone, and on every part of it', () => {
  const first = (address: Parameters<typeof randomStream>[0]) => randomStream(address).uint32();
  const base = { seed: 7, purpose: 'mask', epoch: 1, index: 5 } as const;
  expect(first(base)).toBe(first({ ...base }));
  const others = [{ seed: 8 }, { seed: 7 + 2 ** 32 }, { purpose: 'crop' }, { epoch: 2 }, { index: 6 }] as const;
  expect(new Set([first(base), ...others.map((other) => first({ ...base, ...other }))]).size).toBe(6);
});

test('numbers that are filled in at once are those drawn one by one, bit for bit, and the stream goes on behind them', () => {
  const draw = fc.record({
    seed: fc.maxSafeNat(),
    index: fc.nat({ max: 2 ** 32 - 1 }),
    bound: fc.double({ min: 1e-6, max: 10, noNaN: true }),
    before: fc.nat({ max: 9 }),
    length: fc.oneof(fc.nat({ max: 100 }), fc.integer({ min: 16_000, max: 40_000 })),
  });
  fc.assert(
    fc.property(draw, ({ seed, index, bound, before, length }) => {
      const [one, many] = [0, 1].map(() => randomStream({ seed, purpose: 'init', epoch: 3, index }));
      for (let i = 0; i < before; i++) expect(one!.uint32()).toBe(many!.uint32());
      const expected = Float32Array.from({ length }, () => bound * (2 * one!.uniform() - 1));
      const found = new Float32Array(length);
      many!.fillUniform(found, bound);
      expect(Buffer.compare(Buffer.from(found.buffer), Buffer.from(expected.buffer))).toBe(0);
      expect(many!.uint32()).toBe(one!.uint32());
    }),
    { numRuns: 60 },
  );
});

test('uniform and normal draws have the moments of their distributions', () => {
  const stream = randomStream({ seed: 1, purpose: 'init' });
  const count = 100_000;
  const uniforms = Array.from({ length: count }, () => stream.uniform());
  const normals = Array.from({ length: count }, () => stream.normal());
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / count;
  expect(Math.min(...uniforms.slice(0, 50_000))).toBeGreaterThanOrEqual(0);
  expect(Math.max(...uniforms.slice(0, 50_000))).toBeLessThan(1);
  expect(mean(uniforms)).toBeCloseTo(0.5, 2);
  expect(mean(normals)).toBeCloseTo(0, 1);
  expect(mean(normals.map((value) => value * value))).toBeCloseTo(1, 1);
});

test('a permutation hits every position exactly once, for any length, seed and epoch', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(), fc.nat({ max: 1000 }), (length, seed, epoch) => {
      const at = permutation({ seed, epoch, length });
      const seen = new Set(Array.from({ length }, (_, position) => at(position)));
      return seen.size === length && Math.max(...seen) === length - 1;
    }),
    { numRuns: 60 },
  );
});

test('two epochs shuffle differently, and neighbours do not stay together', () => {
  const length = 60_000;
  const [first, second] = [0, 1].map((epoch) => permutation({ seed: 3, epoch, length }));
  const positions = Array.from({ length: 1000 }, (_, position) => position);
  expect(positions.filter((p) => first!(p) === second!(p)).length).toBeLessThan(5);
  expect(positions.filter((p) => p > 0 && Math.abs(first!(p) - first!(p - 1)) === 1).length).toBeLessThan(5);
});

test('a length or position outside the domain is refused with the range that is allowed', () => {
  expect(() => permutation({ seed: 0, epoch: 0, length: 0 })).toThrow('length must be an integer in 1..2^32, found 0');
  expect(() => permutation({ seed: 0, epoch: 0, length: 5 })(5)).toThrow('position must be an integer in 0..4, found 5');
});
