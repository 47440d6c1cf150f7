import { expect, test } from '@jest/globals';
import type { StateHolder } from '@maestro/protocol';
import fc from 'fast-check';
import { batches, type MissingRange, planTransfer } from './planTransfer.ts';

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
  const joiner = { self: 'd', index: 3, moments: 2, chunk: { first: 45, length: 30 }, length: 90, holders: three, held: [] };
  expect(show(planTransfer(joiner))).toEqual(['a: p0+90', 'b: m45+15 v45+15', 'c: m60+15 v60+15']);
});

test('a member takes what its new chunk has beyond the old one, and nothing else', () => {
  const member = {
    self: 'a',
    index: 0,
    moments: 2,
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
    moments: 2,
    chunk: { first: 30, length: 30 },
    length: 90,
    holders,
    held: [{ first: 30, length: 30, isWhole: false }],
  };
  expect(show(planTransfer(member))).toEqual(['a: p0+30', 'c: p60+30']);
});

test('what a member has on disk is loaded from there, and only what it has in memory needs nothing', () => {
  const copies = [holder('a', 0, 30, false), holder('a', 60, 30, false), holder('b', 30, 30, false), holder('b', 0, 30, false)];
  const holders = copies.map((each) => ({ ...each, isStored: true }));
  const member = {
    self: 'a',
    index: 0,
    moments: 2,
    chunk: { first: 0, length: 45 },
    length: 90,
    holders,
    held: [],
    stored: [
      { first: 0, length: 30 },
      { first: 60, length: 30 },
    ],
  };
  expect(show(planTransfer(member))).toEqual(['a: p0+30 p60+30 m0+30 v0+30', 'b: p30+30 m30+15 v30+15']);
  const held = [{ first: 0, length: 30, isWhole: false }];
  expect(show(planTransfer({ ...member, held }))).toEqual(['b: p30+30 m30+15 v30+15', 'a: p60+30']);
});

test('every element that a member needs is in its memory, or taken once, from one that has it', () => {
  const range = fc.record({ first: fc.nat(20), length: fc.nat(20), isWhole: fc.constant(false) });
  fc.assert(
    fc.property(
      fc.array(range, { maxLength: 3 }),
      fc.array(range, { maxLength: 3 }),
      fc.nat(10),
      fc.nat(10),
      (held, stored, first, size) => {
        const all = { first: 0, length: 20 };
        const whole = [holder('x', 0, 20, false)];
        const transfers = planTransfer({
          self: 'a',
          index: 0,
          moments: 2,
          chunk: { first, length: size },
          length: 20,
          holders: whole,
          held,
          stored,
        });
        const has = (parts: readonly { first: number; length: number }[], i: number): boolean =>
          parts.some((part) => part.first <= i && i < part.first + part.length);
        for (const vector of [0, 1, 2]) {
          const wanted = vector === 0 ? all : { first, length: size };
          for (let i = wanted.first; i < wanted.first + wanted.length; i++) {
            const from = transfers.flatMap(({ holder: { id }, ranges }) =>
              ranges.flatMap((each) => (each.vector === vector && has([each], i) ? id : [])),
            );
            expect(from.length).toBeLessThanOrEqual(1);
            if (from.length === 0) expect(has(held, i)).toBe(true);
            if (from[0] === 'a') expect(has(stored, i)).toBe(true);
          }
        }
      },
    ),
  );
});

test('a joiner takes the frozen parameters from a holder, and an optimiser with one moment has one vector of them', () => {
  const joiner = { self: 'd', index: 3, moments: 1, chunk: { first: 45, length: 30 }, length: 90, frozen: 7, holders: three, held: [] };
  expect(show(planTransfer(joiner))).toEqual(['a: p0+90 p90+7', 'b: m45+15', 'c: m60+15']);
  // What is on disk alone has no frozen parameters, but whoever wrote it has them.
  const stored = three.map((each) => ({ ...each, isWhole: false, isStored: true }));
  expect(show(planTransfer({ ...joiner, index: 1, holders: stored }))).toEqual(['a: p0+30', 'b: p30+30 p90+7 m45+15', 'c: p60+30 m60+15']);
});

test('a part that nobody has is refused', () => {
  const member = { self: 'd', index: 2, moments: 2, chunk: { first: 0, length: 90 }, length: 90, holders: three.slice(1), held: [] };
  expect(() => planTransfer(member)).toThrow('nobody holds all of elements 0..89 of the state');
});

test('batches hold all that was asked for, in order, and no more than allowed', () => {
  const ranges = fc.array(fc.record({ vector: fc.constantFrom(0, 1, 2), first: fc.nat(50), length: fc.nat(50) }));
  fc.assert(
    fc.property(ranges, fc.integer({ min: 1, max: 40 }), (all, most) => {
      const cut = batches(all, most);
      const elements = (list: readonly MissingRange[]) =>
        list.flatMap(({ vector, first, length }) => Array.from({ length }, (_, i) => `${vector}:${first + i}`));
      expect(elements(cut.flat())).toEqual(elements(all));
      for (const batch of cut) expect(elements(batch).length).toBeLessThanOrEqual(most);
    }),
  );
});
