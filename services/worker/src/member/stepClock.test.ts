import { describe, expect, test } from '@jest/globals';
import type { StepTimes } from '@maestro/protocol';
import { openStepClock } from './stepClock.ts';

/** A clock that is moved by hand, in seconds. */
function stage() {
  let seconds = 0;
  const steps: StepTimes[] = [];
  const clock = openStepClock({ onStep: (times) => steps.push(times), now: () => seconds * 1000, wallNow: () => 5000 + seconds * 1000 });
  return {
    clock,
    steps,
    pass: (more: number) => {
      seconds += more;
    },
  };
}

describe('openStepClock', () => {
  test('tells where the time of a step went, once the next one begins', () => {
    const { clock, steps, pass } = stage();
    clock.enter('forming');
    pass(9);
    clock.enter('lease');
    pass(1);
    for (const [data, compute] of [
      [2, 16],
      [2, 16],
    ] as const) {
      clock.enter('data');
      pass(data);
      clock.enter('compute');
      pass(compute);
    }
    clock.enter('reduce');
    pass(16);
    clock.round({ wait: 2, lag: 0.5, reduceScatter: 4, allGather: 8 });
    clock.enter('apply');
    pass(32);
    clock.applied(7);
    clock.enter('checkpoint');
    pass(64);
    expect(steps).toEqual([]);
    clock.enter('lease');
    expect(steps).toEqual([
      { step: 7, startMs: 14_000, data: 5, forward: 32, wait: 2, reduceScatter: 4, allGather: 8, apply: 32, other: 66, lag: 0.5 },
    ]);
  });

  test('a gather of an apply is an all-gather', () => {
    const { clock, steps, pass } = stage();
    clock.enter('lease');
    clock.enter('apply');
    pass(3);
    clock.round({ wait: 0.5, lag: 0.25, reduceScatter: 0, allGather: 0.5 });
    clock.applied(1);
    clock.enter('finished');
    expect(steps).toMatchObject([{ step: 1, apply: 2, allGather: 1, wait: 0, lag: 0 }]);
  });

  test('a step that was given up does not count', () => {
    const { clock, steps, pass } = stage();
    clock.enter('lease');
    pass(1);
    clock.enter('compute');
    clock.enter('held');
    clock.enter('lease');
    clock.enter('held');
    expect(steps).toEqual([]);
  });
});
