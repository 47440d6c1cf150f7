import { expect, test } from '@jest/globals';
import { learningRateAt, peakLearningRate } from './learningRate.ts';

const paper = { baseLr: 1.5e-4, globalBatch: 4096, warmupEpochs: 40, epochs: 800 };

test.each([
  [0, 0],
  [1, 6e-5],
  [20, 0.0012],
  [40, 0.0024],
  [230, 0.00204853],
  [420, 0.0012],
  [610, 0.00035147],
  [800, 0],
])('the paper schedule at epoch %d is %d', (epoch, expected) => {
  expect(learningRateAt(paper, epoch)).toBeCloseTo(expected, 8);
});

test('the schedule moves within an epoch, ends at minLr and stays there', () => {
  expect(peakLearningRate(paper)).toBe(0.0024);
  expect(learningRateAt(paper, 0.5)).toBeCloseTo(3e-5, 12);
  expect(learningRateAt({ ...paper, minLr: 1e-6 }, 800)).toBe(1e-6);
  expect(learningRateAt({ ...paper, minLr: 1e-6 }, 801)).toBe(1e-6);
  expect(learningRateAt({ ...paper, warmupEpochs: 0 }, 0)).toBe(0.0024);
});

test('a warm-up longer than the run is refused', () => {
  expect(() => learningRateAt({ ...paper, epochs: 30 }, 0)).toThrow('expected 0 <= warmupEpochs <= epochs and epochs > 0, found 40 and 30');
});
