import { describe, expect, test } from '@jest/globals';
import { createRoundClock, roundTimes } from './roundTimes.ts';

const NONE = { firstArrivalMs: Number.POSITIVE_INFINITY, lastArrivalMs: Number.NEGATIVE_INFINITY };

describe('roundTimes', () => {
  test('who comes first waits for the last, and lags behind nobody', () => {
    const marks = { startedMs: 1000, firstArrivalMs: 1200, lastArrivalMs: 1500, summedMs: 1700, endedMs: 2000 };
    expect(roundTimes(marks)).toEqual({ wait: 0.5, lag: 0, reduceScatter: 0.2, allGather: 0.3 });
  });

  test('who comes last waits for nobody, and lags behind the first', () => {
    const marks = { startedMs: 1500, firstArrivalMs: 1000, lastArrivalMs: 1200, summedMs: 1700, endedMs: 2000 };
    expect(roundTimes(marks)).toEqual({ wait: 0, lag: 0.5, reduceScatter: 0.2, allGather: 0.3 });
  });

  test('a member alone neither waits nor lags', () => {
    const marks = { startedMs: 1000, ...NONE, summedMs: 1100, endedMs: 1100 };
    expect(roundTimes(marks)).toEqual({ wait: 0, lag: 0, reduceScatter: 0.1, allGather: 0 });
  });

  test('a round that sums nothing is all-gather alone', () => {
    const marks = { startedMs: 1000, firstArrivalMs: 1000, lastArrivalMs: 1000, summedMs: undefined, endedMs: 1250 };
    expect(roundTimes(marks)).toEqual({ wait: 0, lag: 0, reduceScatter: 0, allGather: 0.25 });
  });
});

test('a clock forgets the marks of a round when it opens the next one', () => {
  let nowMs = 0;
  const clock = createRoundClock(() => nowMs);
  expect(clock.times).toEqual({ wait: 0, lag: 0, reduceScatter: 0, allGather: 0 });
  const round = (startMs: number, arrivalsMs: readonly number[], summedMs: number | undefined, endMs: number) => {
    nowMs = startMs;
    clock.open();
    for (const atMs of arrivalsMs) clock.arrived(atMs);
    if (summedMs !== undefined) {
      nowMs = summedMs;
      clock.summed();
      nowMs = endMs;
      clock.summed(); // the first one counts
    }
    nowMs = endMs;
    clock.close();
    return clock.times;
  };
  expect(round(1000, [1200, 1500], 1700, 2000)).toEqual({ wait: 0.5, lag: 0, reduceScatter: 0.2, allGather: 0.3 });
  expect(round(3000, [2500], undefined, 3250)).toEqual({ wait: 0, lag: 0.5, reduceScatter: 0, allGather: 0.25 });
});
