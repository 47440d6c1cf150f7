import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { coverRange, newestWholeStep } from './stateShards.ts';

const ranges = fc.record({ first: fc.nat(40), length: fc.nat(20) });

test('a range is covered without gaps or overlaps, by pieces that their holders have, or not at all', () => {
  fc.assert(
    fc.property(ranges, fc.array(ranges, { maxLength: 8 }), (range, holders) => {
      const pieces = coverRange(range, holders);
      const has = (element: number): boolean => holders.some(({ first, length }) => first <= element && element < first + length);
      const elements = Array.from({ length: range.length }, (_, i) => range.first + i);
      expect(pieces !== undefined).toBe(elements.every(has));
      if (pieces === undefined) return;
      expect(pieces.flatMap(({ first, length }) => Array.from({ length }, (_, i) => first + i))).toEqual(elements);
      for (const { holder, first, length } of pieces) {
        expect(first >= holder.first && first + length <= holder.first + holder.length).toBe(true);
      }
    }),
  );
});

test('the first in the list is preferred', () => {
  const [own, other] = [
    { first: 4, length: 4 },
    { first: 0, length: 12 },
  ];
  expect(coverRange({ first: 2, length: 8 }, [own, other])).toEqual([{ holder: other, first: 2, length: 8 }]);
  expect(coverRange({ first: 4, length: 6 }, [own, other])).toEqual([
    { holder: own, first: 4, length: 4 },
    { holder: other, first: 8, length: 2 },
  ]);
});

test.each([
  [
    'all owners of one step',
    [
      [7, 0, 5],
      [7, 5, 5],
    ],
    7,
  ],
  [
    'all owners of a step that not all have finished',
    [
      [8, 0, 5],
      [8, 5, 5],
      [7, 0, 5],
    ],
    8,
  ],
  [
    'an owner that was a step ahead, and its snapshot',
    [
      [8, 0, 5],
      [7, 5, 5],
      [4, 0, 5],
      [4, 5, 5],
    ],
    4,
  ],
  [
    'cuts of two views',
    [
      [7, 0, 3],
      [7, 3, 3],
      [7, 5, 5],
    ],
    7,
  ],
  [
    'an owner that was lost',
    [
      [7, 0, 3],
      [7, 6, 4],
    ],
    -1,
  ],
  ['nobody', [], -1],
] as const)('the newest whole step of %s', (_, shards, expected) => {
  expect(
    newestWholeStep(
      shards.map(([step, first, length]) => ({ step, first, length, isWhole: false })),
      10,
    ),
  ).toBe(expected);
});

test('the newest whole step is the newest of which every element is with somebody', () => {
  const shards = fc.array(fc.record({ step: fc.nat(4), first: fc.nat(12), length: fc.nat(12), isWhole: fc.boolean() }), { maxLength: 14 });
  fc.assert(
    fc.property(shards, fc.integer({ min: 1, max: 12 }), (all, length) => {
      const isWhole = (of: number): boolean =>
        Array.from({ length }, (_, i) => i).every((i) =>
          all.some(({ step, first, length: n }) => step === of && first <= i && i < first + n),
        );
      expect(newestWholeStep(all, length)).toBe([4, 3, 2, 1, 0].find(isWhole) ?? -1);
    }),
  );
});

test('with a copy of each part at the next in the ring, a state is lost only with two that follow each other', () => {
  const loss = fc.integer({ min: 1, max: 7 }).chain((members) => fc.tuple(fc.constant(members), fc.subarray([...Array(members).keys()])));
  fc.assert(
    fc.property(loss, ([members, lost]) => {
      const cut = (member: number): number => Math.floor((member * 23) / members);
      const partOf = (member: number) => ({ step: 8, first: cut(member), length: cut(member + 1) - cut(member), isWhole: false });
      const isLost = (member: number): boolean => lost.includes(member);
      const before = (member: number): number => (member + members - 1) % members;
      const ring = [...Array(members).keys()];
      const left = ring.filter((member) => !isLost(member)).flatMap((member) => [partOf(member), partOf(before(member))]);
      const isGone = ring.some((member) => isLost(member) && isLost((member + 1) % members));
      expect(newestWholeStep(left, 23)).toBe(isGone ? -1 : 8);
    }),
  );
});
