import { expect, test } from '@jest/globals';
import type { Job } from '@maestro/protocol';
import { waitExitCode } from './wait.ts';

const job = (state: Job['state']): Job => ({ state }) as Job;

test.each([
  ['succeeded', undefined, 0],
  ['failed', undefined, 1],
  ['cancelled', undefined, 3],
  ['paused', 'paused', 0],
  ['failed', 'failed', 0],
  ['failed', 'running', 1],
  ['cancelled', 'running', 3],
  ['succeeded', 'paused', 1],
] as const)('a job that is %s, waited for as %s, ends the wait with %d', (state, wanted, code) => {
  expect(waitExitCode(job(state), wanted)).toBe(code);
});
