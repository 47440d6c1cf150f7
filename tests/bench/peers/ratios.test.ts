import { expect, test } from '@jest/globals';
import { contenders, medianOf, pairRatios, ratioToBest } from './ratios.ts';

const NONE = Number.NaN;

test('the median of an even number is the mean of the middle two', () => {
  expect(medianOf([3, 1, 2])).toBe(2);
  expect(medianOf([4, 1, 2, 10])).toBe(3);
  expect(medianOf([])).toBeNaN();
});

test('only rounds in which both were measured make a pair', () => {
  expect(pairRatios([2, 4, 9], [1, NONE, 3])).toEqual([2, 3]);
  expect(pairRatios([2, 4], [1])).toEqual([2]);
});

test('the ratio is the median over pairs, not the ratio of medians, against the way that makes ours look worst', () => {
  // The machine is three times as slow in the second round, and the fast way sat out the third.
  const rounds = { ours: [2, 6, 2], peers: { slow: [4, 12, 4], fast: [1, 4, NONE] } };
  expect(ratioToBest(rounds)).toEqual({ ratio: 1.75, ours: 4, peer: 2.5, pairs: 2, way: 'fast' });
  expect(ratioToBest(rounds, (way) => way === 'slow')).toEqual({ ratio: 0.5, ours: 2, peer: 4, pairs: 3, way: 'slow' });
});

test('without a way that was measured there is no ratio', () => {
  expect(ratioToBest({ ours: [1], peers: { eager: [NONE] } })).toMatchObject({ ratio: null, pairs: 0 });
  expect(ratioToBest({ ours: [1], peers: {} }).note).toBe('no way of the peer could be measured');
});

test('ways that cannot become the best are left out of further rounds', () => {
  expect(contenders({ ours: [1, 1], peers: { a: [1, 1], b: [1.1, 1.1], c: [1.3, 1.3], d: [NONE, NONE] } })).toEqual(['a', 'b']);
});
