import { expect, test } from '@jest/globals';
import type { JobState } from '@maestro/protocol';
import { goodput, isNews, percentile, recoveryMs, type Sighting } from './timeline.ts';

/** Sightings from [time, committed steps] pairs. */
const seen = (...pairs: [number, number][]): Sighting[] =>
  pairs.map(([atMs, step]) => ({ atMs, step, state: 'running' as JobState, generation: 1 }));

test('recovery is the time to the end of the standstill, even where a step on its way was committed first', () => {
  const timeline = seen([0, 0], [100, 1], [200, 2], [305, 3], [1900, 4], [2000, 5], [2100, 6]);
  expect(recoveryMs(timeline, { atMs: 300, untilMs: 5000 })).toBe(1600);
  expect(recoveryMs(timeline, { atMs: 1900, untilMs: 5000 })).toBe(100); // no standstill any more: the next step
  expect(recoveryMs(timeline, { atMs: 150, untilMs: 250 })).toBe(50); // the standstill belongs to what happened later
});

test('where a new view came of it, recovery ends with the first step of that view', () => {
  const timeline = [
    ...seen([0, 0], [100, 1], [200, 2], [305, 3]),
    ...seen([400, 3], [500, 4], [600, 5]).map((one) => ({ ...one, generation: 2 })),
  ];
  expect(recoveryMs(timeline, { atMs: 210, untilMs: 5000 })).toBe(290);
  expect(recoveryMs(timeline, { atMs: 210, untilMs: 390 })).toBe(95);
  expect(recoveryMs(timeline, { atMs: 450, untilMs: 5000 })).toBe(50);
  expect(recoveryMs(timeline.slice(0, -2), { atMs: 210, untilMs: 5000 })).toBeUndefined();
});

test('a job that never went on has no recovery, and one that had ended needs none', () => {
  const timeline = seen([0, 0], [100, 1]);
  expect(recoveryMs(timeline, { atMs: 200, untilMs: 5000 })).toBeUndefined();
  expect(recoveryMs([...timeline, { atMs: 150, step: 1, state: 'succeeded', generation: 1 }], { atMs: 200, untilMs: 5000 })).toBe(0);
});

test('goodput counts the steps that lasted, once', () => {
  const undisturbed = seen([0, 0], [100, 1], [200, 2], [300, 3], [400, 4]);
  expect(goodput(undisturbed)).toBe(1);
  const restored = seen([0, 0], [100, 1], [200, 2], [300, 3], [700, 1], [800, 2], [900, 3], [1000, 4]);
  expect(goodput(restored)).toBeCloseTo(0.4);
  expect(goodput(seen([0, 0], [100, 1]))).toBeUndefined();
});

test('only changes are news', () => {
  const [first] = seen([0, 3]);
  expect(isNews(undefined, first!)).toBe(true);
  expect(isNews(first, { ...first!, atMs: 9 })).toBe(false);
  expect(isNews(first, { ...first!, generation: 2 })).toBe(true);
});

test('percentiles are values that occurred', () => {
  expect([0, 0.5, 0.99].map((share) => percentile([3, 1, 2], share))).toEqual([1, 2, 3]);
  expect(percentile([], 0.5)).toBeUndefined();
});
