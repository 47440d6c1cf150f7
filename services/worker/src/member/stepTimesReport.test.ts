import { expect, test } from '@jest/globals';
import type { StepTimes } from '@maestro/protocol';
import { openStepTimesReport } from './stepTimesReport.ts';

const timesOf = (step: number): StepTimes => ({
  step,
  startMs: 0,
  data: 0,
  forward: 0,
  wait: 0,
  reduceScatter: 0,
  allGather: 0,
  apply: 0,
  other: 0,
  lag: 0,
});

test('steps of milliseconds are reported once a second, the newest alone', () => {
  let nowMs = 0;
  const sent: number[][] = [];
  const report = openStepTimesReport({ send: (steps) => sent.push(steps.map(({ step }) => step)), most: 3, now: () => nowMs });
  for (let step = 1; step <= 10; step++) {
    report.add(timesOf(step));
    nowMs += 1;
  }
  expect(sent).toEqual([[1]]);
  nowMs = 1000;
  report.add(timesOf(11));
  expect(sent).toEqual([[1], [9, 10, 11]]);
  report.add(timesOf(12));
  report.flush();
  report.flush();
  expect(sent).toEqual([[1], [9, 10, 11], [12]]);
});
