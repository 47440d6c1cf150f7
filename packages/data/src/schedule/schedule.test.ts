import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { planSchedule, positionsOfMicroBatch, positionsOfStep, type ScheduleOptions, shardsOfWindow, windowOfStep } from './schedule.ts';

const anyOptions: fc.Arbitrary<ScheduleOptions> = fc
  .record({
    virtualRanks: fc.integer({ min: 1, max: 9 }),
    microBatch: fc.integer({ min: 1, max: 5 }),
    accumulation: fc.integer({ min: 1, max: 3 }),
    epochs: fc.integer({ min: 1, max: 3 }),
    windowSteps: fc.integer({ min: 1, max: 5 }),
    lastBatch: fc.constantFrom('drop' as const, 'keep' as const),
    steps: fc.integer({ min: 1, max: 6 }),
    rest: fc.nat({ max: 200 }),
  })
  .map(({ steps, rest, ...options }) => {
    const globalBatch = options.virtualRanks * options.microBatch * options.accumulation;
    return { ...options, samples: steps * globalBatch + (rest % globalBatch) };
  });

/** How often each position of each epoch is taken by some (step, virtual rank, micro-batch). */
function timesTaken(options: ScheduleOptions): number[][] {
  const schedule = planSchedule(options);
  const taken = Array.from({ length: schedule.epochs }, () => new Array<number>(schedule.samples).fill(0));
  for (let step = 0; step < schedule.totalSteps; step++) {
    for (let virtualRank = 0; virtualRank < schedule.virtualRanks; virtualRank++) {
      for (let micro = 0; micro < schedule.accumulation; micro++) {
        const { epoch, first, count } = positionsOfMicroBatch(schedule, { step, virtualRank, micro });
        expect(count).toBeLessThanOrEqual(schedule.microBatch);
        for (let position = first; position < first + count; position++) taken[epoch]![position]!++;
      }
    }
  }
  return taken;
}

test('every position of an epoch is in one step, virtual rank and micro-batch; dropped are the last, fewer than a step', () => {
  fc.assert(
    fc.property(anyOptions, (options) => {
      const { stepsPerEpoch, globalBatch, samples } = planSchedule(options);
      const expected = options.lastBatch === 'keep' ? samples : stepsPerEpoch * globalBatch;
      expect(samples - expected).toBeLessThan(globalBatch);
      for (const epoch of timesTaken(options)) expect(epoch.every((times, position) => times === (position < expected ? 1 : 0))).toBe(true);
    }),
  );
});

test('a full step gives each micro-batch exactly microBatch samples, in rank order', () => {
  const schedule = planSchedule({ samples: 100, virtualRanks: 2, microBatch: 4, accumulation: 3, epochs: 2 });
  expect(schedule).toMatchObject({ globalBatch: 24, stepsPerEpoch: 4, totalSteps: 8 });
  expect(positionsOfMicroBatch(schedule, { step: 5, virtualRank: 1, micro: 2 })).toEqual({ epoch: 1, first: 24 + 20, count: 4 });
});

test('a kept last step shares its samples evenly, and a rank may get none', () => {
  const schedule = planSchedule({ samples: 19, virtualRanks: 4, microBatch: 4, epochs: 1, lastBatch: 'keep' });
  expect(positionsOfStep(schedule, 1)).toEqual({ epoch: 0, first: 16, count: 3 });
  expect([0, 1, 2, 3].map((virtualRank) => positionsOfMicroBatch(schedule, { step: 1, virtualRank }).count)).toEqual([0, 1, 1, 1]);
});

test('windows tile the run in order and cross neither an epoch’s end nor the run’s', () => {
  fc.assert(
    fc.property(anyOptions, fc.integer({ min: 1, max: 40 }), (options, maxSteps) => {
      const schedule = planSchedule({ ...options, maxSteps });
      for (let step = 0; step < schedule.totalSteps; ) {
        const window = windowOfStep(schedule, step);
        expect(window.firstStep).toBe(step);
        expect(window.steps).toBeGreaterThan(0);
        for (let inside = step; inside < step + window.steps; inside++) {
          expect(windowOfStep(schedule, inside)).toEqual(window);
          expect(positionsOfStep(schedule, inside).epoch).toBe(window.epoch);
        }
        step += window.steps;
        expect(step).toBeLessThanOrEqual(schedule.totalSteps);
      }
    }),
  );
});

test('a window has one shard per virtual rank', () => {
  const schedule = planSchedule({ samples: 64, virtualRanks: 2, microBatch: 4, epochs: 3, windowSteps: 3 });
  expect(schedule).toMatchObject({ stepsPerEpoch: 8, windowsPerEpoch: 3 });
  expect(shardsOfWindow(schedule, windowOfStep(schedule, 15))).toEqual([
    { epoch: 1, window: 2, firstStep: 14, steps: 2, virtualRank: 0 },
    { epoch: 1, window: 2, firstStep: 14, steps: 2, virtualRank: 1 },
  ]);
});

test('a schedule without a single step is refused with what to change', () => {
  const options = { samples: 100, virtualRanks: 8, microBatch: 64, epochs: 1 };
  expect(() => planSchedule(options)).toThrow(
    "100 samples do not fill one step of 512 (8 virtual ranks x 64 x 1); lower microBatch or virtualRanks, or set lastBatch to 'keep'",
  );
  expect(planSchedule({ ...options, lastBatch: 'keep' }).totalSteps).toBe(1);
  expect(() => planSchedule({ ...options, epochs: 0 })).toThrow('schedule.epochs: expected a whole number of at least 1, found 0');
});

test('a step or rank that the run does not have is a bug of ours', () => {
  const schedule = planSchedule({ samples: 64, virtualRanks: 2, microBatch: 4, epochs: 1 });
  expect(() => windowOfStep(schedule, 8)).toThrow('internal: step 8 lies outside 0..7');
  expect(() => positionsOfMicroBatch(schedule, { step: 0, virtualRank: 2 })).toThrow('internal: virtual rank 2');
});
