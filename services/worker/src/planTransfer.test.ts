import { expect, test } from '@jest/globals';
import type { StateHolder } from '@maestro/protocol';
import fc from 'fast-check';
import { batches, planTransfer } from './planTransfer.ts';

const holder = (id: string, first: number, length: number, isWhole = true): StateHolder => ({
  id,
  name: id,
  address: `${id}:7`,
  first,
  length,
  isWhole,
});
/** `a: p0+90 m0+10 v0+10`. */
const show = (transfers: ReturnType<typeof planTransfer>): string[] =>
  transfers.map(
    ({ holder: { id }, ranges }) => `${id}: ${ranges.map(({ vector, first, length }) => `${'pmv'[vector]}${first}+${length}`).join(' ')}`,
  );

const three = [holder('a', 0, 30), holder('b', 30, 30), holder('c', 60, 30)];

test('a joiner takes all parameters from one, and the moments of its chunk from their owners', () => {
  const joiner = { self: 'd', index: 3, chunk: { first: 45, length: 30 }, length: 90, holders: three, held: [] };
  expect(show(planTransfer(joiner))).toEqual(['a: p0+90', 'b: m45+15 v45+15', 'c: m60+15 v60+15']);
});

test('a member takes what its new chunk has beyond the old one, and nothing else', () => {
  const member = {
    self: 'a',
    index: 0,
    chunk: { first: 0, length: 45 },
    length: 90,
    holders: three,
    held: [{ first: 0, length: 30, isWhole: true }],
  };
  expect(show(planTransfer(member))).toEqual(['b: m30+15 v30+15']);
  expect(show(planTransfer({ ...member, chunk: { first: 0, length: 20 } }))).toEqual([]);
});

test('where nobody has all parameters, each owner gives those of its elements', () => {
  const holders = three.map((each) => ({ ...each, isWhole: false }));
  const member = {
    self: 'b',
    index: 1,
    chunk: { first: 30, length: 30 },
    length: 90,
    holders,
    held: [{ first: 30, length: 30, isWhole: false }],
  };
  expect(show(planTransfer(member))).toEqual(['a: p0+30', 'c: p60+30']);
});

test('a part that nobody has is refused', () => {
  const member = { self: 'd', index: 2, chunk: { first: 0, length: 90 }, length: 90, holders: three.slice(1), held: [] };
  expect(() => planTransfer(member)).toThrow('nobody holds all of elements 0..89 of the state');
});

test('batches hold all that was asked for, in order, and no more than allowed', () => {
  const ranges = fc.array(
    fc.record({ vector: fc.constantFrom(0 as const, 1 as const, 2 as const), first: fc.nat(50), length: fc.nat(50) }),
  );
  fc.assert(
    fc.property(ranges, fc.integer({ min: 1, max: 40 }), (all, most) => {
      const cut = batches(all, most);
      const elements = (list: typeof all) =>
        list.flatMap(({ vector, first, length }) => Array.from({ length }, (_, i) => `${vector}:${first + i}`));
      expect(elements(cut.flat())).toEqual(elements(all));
      for (const batch of cut) expect(elements(batch).length).toBeLessThanOrEqual(most);
    }),
  );
});
