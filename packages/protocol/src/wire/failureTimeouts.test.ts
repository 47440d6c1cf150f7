import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { failureTimeouts } from './failureTimeouts.ts';

test('deadlines keep their order whatever the knob says', () => {
  fc.assert(
    fc.property(fc.integer({ min: 500, max: 600_000 }), (ms) => {
      const times = failureTimeouts(ms);
      // A live worker is heard several times before it counts as silent, and peers notice a silent one before the coordinator does.
      expect(4 * times.heartbeatMs).toBeLessThan(times.silenceMs);
      expect(times.keepaliveTimeMs + times.keepaliveTimeoutMs).toBeLessThan(times.silenceMs);
      // A worker whose stream broke has several attempts before it counts as away for good.
      expect(3 * times.reconnectMs).toBeLessThan(times.awayMs);
      expect(times.awayMs).toBeLessThan(times.silenceMs);
      // One failed renewal costs no lease, and the next coordinator is there before workers that wait for it have been silent too long.
      expect(2 * times.leaseRenewMs).toBeLessThan(times.leaseMs);
      expect(times.leaseMs).toBeLessThan(times.silenceMs);
      // A new coordinator gives workers `silenceMs + awayMs` to come back with their reports.
      expect(times.silenceMs + times.awayMs).toBeLessThan(times.reportGapMs);
      expect(times.silenceMs).toBeLessThan(times.holdMs);
      expect(times.holdMs).toBeLessThan(times.joinMs);
      expect(times.joinMs).toBeLessThan(times.progressMs);
      // A recipe's code that does not return fails its job: the worker is not evicted for it.
      expect(times.sampleMs).toBeLessThan(times.progressMs);
      expect(times.progressMs).toBeLessThan(times.firstProgressMs);
    }),
  );
});

test.each([0, 499, 600_001, 1000.5, Number.NaN])('%p ms is refused with what is allowed', (ms) => {
  expect(() => failureTimeouts(ms)).toThrow('MAESTRO_FAILURE_TIMEOUT_MS: expected a whole number of milliseconds in 500..600000');
});

test('what is no number is quoted as it was written', () => {
  expect(() => failureTimeouts('abc')).toThrow('in 500..600000, found abc');
  expect(failureTimeouts('2000')).toEqual(failureTimeouts(2000));
});
