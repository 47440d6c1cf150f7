import { expect, test } from '@jest/globals';
import { planReduce } from '@maestro/collective';
import fc from 'fast-check';
import { evenMembers } from './evenMembers.ts';
import { allReduceSeconds, connectionSeconds, receivedBytes, sentBytes, stepSeconds } from './exchangeModel.ts';

const plan = (workers: number, virtualRanks: number, length = 65_536 * 64) =>
  planReduce({ members: evenMembers(workers, virtualRanks), length, blockSize: 65_536 });
const WIRE = { bytesPerSecond: 125e6, delaySeconds: 0.01 };

test('one worker sends nothing, two with a power of two of ranks half a vector each way', () => {
  expect(allReduceSeconds(plan(1, 8), WIRE)).toBe(0);
  expect(stepSeconds(plan(1, 8), WIRE, { computeSeconds: 3, innerSteps: 5 })).toBe(3);
  expect(sentBytes(plan(2, 8), 0)).toBe(4 * 65_536 * 64);
  expect(sentBytes(plan(4, 8), 0)).toBe(1.5 * 4 * 65_536 * 64);
});

test('a stage is sent when it is complete and those before it are through; computing hides what fits into the rest of it', () => {
  const stages = [
    { share: 0.5, ready: 0.5 },
    { share: 0.5, ready: 1 },
  ];
  const seconds = allReduceSeconds(plan(2, 8), WIRE);
  const at = (computeSeconds: number): number => stepSeconds(plan(2, 8), WIRE, { computeSeconds, stages });
  expect(at(100 * seconds)).toBeCloseTo(100.5 * seconds, 9);
  expect(at(seconds)).toBeCloseTo(1.5 * seconds, 9);
  expect(at(0.1 * seconds)).toBeCloseTo(1.05 * seconds, 9);
});

test('what all send is what all receive, for any split of ranks', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 20 }), (workers, more) => {
      const each = plan(workers, workers + more);
      const total = (of: typeof sentBytes): number => each.members.reduce((sum, _, member) => sum + of(each, member), 0);
      expect(total(sentBytes)).toBe(total(receivedBytes));
    }),
  );
});

test('bytes cost their time, delays two deliveries and a slow start, and neither ever helps', () => {
  const bytes = 4 * 65_536 * 64;
  expect(allReduceSeconds(plan(2, 8), { bytesPerSecond: 1e6, delaySeconds: 0 })).toBeCloseTo(bytes / 1e6);
  expect(connectionSeconds(1000, WIRE)).toBeCloseTo(1000 / 125e6);
  // 14480 bytes a window, then twice and four times as many: three round trips, and the rest.
  expect(connectionSeconds(14_480 * 7 + 1000, WIRE)).toBeCloseTo(3 * 0.02 + 1000 / 125e6);
  expect(connectionSeconds(14_480 * 7 + 1000, { ...WIRE, startsSlowly: false })).toBeCloseTo((14_480 * 7 + 1000) / 125e6);
  const grid = [1e6, 1e7, 1e8].flatMap((bytesPerSecond) => [0, 0.01, 0.1].map((delaySeconds) => ({ bytesPerSecond, delaySeconds })));
  for (const a of grid) {
    for (const b of grid) {
      if (a.bytesPerSecond >= b.bytesPerSecond && a.delaySeconds <= b.delaySeconds)
        expect(allReduceSeconds(plan(3, 8), a)).toBeLessThanOrEqual(allReduceSeconds(plan(3, 8), b));
    }
  }
});
