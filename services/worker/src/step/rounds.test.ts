import { expect, test } from '@jest/globals';
import { isRoundCheckpointDue, isRoundEnd } from './rounds.ts';

const steps = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

test('a round ends after every so many inner steps, and with the run', () => {
  expect(steps(11).filter((done) => isRoundEnd(done, { innerSteps: 4 }, 11))).toEqual([4, 8, 11]);
});

test('a checkpoint that is due within a round is written at its end, and one round gets one at most', () => {
  const ends = steps(24).filter((done) => isRoundEnd(done, { innerSteps: 4 }, 24));
  const due = (everySteps: number, more: object = {}) =>
    ends.filter((done) => isRoundCheckpointDue(done, { innerSteps: 4 }, { everySteps, keepLast: 3, ...more }));
  expect(due(6)).toEqual([8, 12, 20, 24]);
  expect(due(4)).toEqual(ends);
  expect(due(1)).toEqual(ends);
  expect(due(9)).toEqual([12, 20]);
  expect(due(100)).toEqual([]);
  expect(due(100, { keepEveryEpochs: 2, stepsPerEpoch: 5 })).toEqual([12, 20]);
  expect(isRoundCheckpointDue(11, { innerSteps: 4 }, { everySteps: 9, keepLast: 3 })).toBe(true);
});
