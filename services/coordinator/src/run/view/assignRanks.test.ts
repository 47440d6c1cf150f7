import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { assignRanks } from './assignRanks.ts';

const free = (...names: string[]) => names.map((name) => ({ name, id: `${name}:1`, address: '' }));

test('virtual ranks are assigned in contiguous ranges that cover all of them and differ by one at most', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 64 }), (virtualRanks, count) => {
      fc.pre(count <= virtualRanks);
      const members = assignRanks({ workers: free(...Array.from({ length: count }, (_, i) => `w${i}`)), virtualRanks });
      let next = 0;
      for (const { firstRank, ranks } of members) {
        expect(firstRank).toBe(next);
        next += ranks;
      }
      expect(next).toBe(virtualRanks);
      const sizes = members.map(({ ranks }) => ranks);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }),
  );
});

test('replicas that train apart are assigned whole, by measured speed too', () => {
  const deal = (rankSeconds: readonly number[]) => {
    const workers = free(...rankSeconds.map((_, i) => `w${i}`)).map((worker, i) => ({ ...worker, rankSeconds: rankSeconds[i]! }));
    return assignRanks({ workers, virtualRanks: 12, ranksPerUnit: 3 }).map(({ firstRank, ranks }) => [firstRank, ranks]);
  };
  expect(deal([0])).toEqual([[0, 12]]);
  const even = [
    [0, 6],
    [6, 3],
    [9, 3],
  ];
  expect(deal([0, 0, 0])).toEqual(even);
  const uneven = [
    [0, 3],
    [3, 9],
  ];
  expect(deal([0.4, 0.1])).toEqual(uneven);
  expect(() => deal([0, 0, 0, 0, 0])).toThrow('expected 1..4 workers, found 5');
});
