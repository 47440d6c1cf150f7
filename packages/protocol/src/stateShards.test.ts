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
