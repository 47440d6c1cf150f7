import { expect, test } from '@jest/globals';
import { isCheckpointDue, retryDelayMs } from './checkpointRules.ts';

const due = (rules: Parameters<typeof isCheckpointDue>[1], last: number) =>
  Array.from({ length: last + 1 }, (_, step) => step).filter((step) => isCheckpointDue(step, rules));

test('a checkpoint is due every so many steps, and at the end of the epochs that are kept', () => {
  expect(due({ keepLast: 1, everySteps: 4 }, 13)).toEqual([4, 8, 12]);
  expect(due({ keepLast: 1, everySteps: 4, keepEveryEpochs: 2, stepsPerEpoch: 3 }, 13)).toEqual([4, 6, 8, 12]);
  expect(due({ keepLast: 1 }, 13)).toEqual([]);
});

test('retries begin after 5 s and double to 60 s', () => {
  expect([1, 2, 3, 4, 5, 6, 100].map(retryDelayMs)).toEqual([5000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
});
