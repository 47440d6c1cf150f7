import { expect, test } from '@jest/globals';
import { parseJobSpec } from '@maestro/protocol';
import { type JobRun, queuedRun } from '../run/state/runState.ts';
import { type Caution, describeCaution, followCaution } from './caution.ts';

const spec = parseJobSpec({ data: { format: 'idx', path: '/data' }, schedule: { epochs: 1 } });
const MINUTE_MS = 60_000;

/** A job that goes on from step 100. */
const starting: JobRun = { ...queuedRun({ id: 'job', spec, startPoint: { path: '/c', step: 100 } }, 1, 0), phase: 'starting' };
const endedAs = (state: 'failed' | 'cancelled' | 'succeeded', step = 100): JobRun => ({
  ...starting,
  phase: 'ended',
  step,
  outcome: { state, reason: '', message: '' },
});
const failed = (caution: Caution | undefined, nowMs = 0) => followCaution(caution, starting, endedAs('failed'), nowMs);

test('caution lasts a minute after a job that failed before its first step, and twice as long after each further one, up to ten', () => {
  let caution: Caution | undefined;
  const minutes = Array.from({ length: 6 }, () => {
    caution = failed(caution);
    return caution!.untilMs / MINUTE_MS;
  });
  expect(minutes).toEqual([1, 2, 4, 8, 10, 10]);
  expect(failed(undefined, 5)).toEqual({ failures: 1, untilMs: MINUTE_MS + 5 });
});

test('a first step of any job ends it; further steps, cancelled jobs and jobs that fail later say nothing', () => {
  const caution = failed(undefined);
  const after = (before: JobRun, next: JobRun) => followCaution(caution, before, next, 0);
  expect(after(starting, { ...starting, phase: 'running', step: 101 })).toBeUndefined();
  expect(after({ ...starting, step: 101 }, { ...starting, step: 102 })).toBe(caution);
  expect(after(starting, endedAs('cancelled'))).toBe(caution);
  expect(after({ ...starting, step: 120 }, endedAs('failed', 120))).toBe(caution);
  expect(followCaution(undefined, { ...starting, step: 120 }, endedAs('failed', 120), 0)).toBeUndefined();
});

test('it is told in words', () => {
  expect(describeCaution({ failures: 1, untilMs: 0 })).toBe(
    'running jobs of its priority give up none before 1970-01-01T00:00:00.000Z, since a job failed before its first step',
  );
  expect(describeCaution({ failures: 3, untilMs: 0 })).toContain('3 jobs in a row failed before their first step');
});
