import { describe, expect, test } from '@jest/globals';
import { parseJobSpec } from '@maestro/protocol';
import { describeDifferences, originOf, requireOwnOrigin, requireSameOrigin } from './checkpointOrigin.ts';

const file = { data: { format: 'idx', path: '/a' }, schedule: { steps: 10 } };
const spec = parseJobSpec(file);
const identity = { node: 'v20', threads: 1, datasetFingerprint: 'f', specHash: 'as it was computed then' };
const origin = originOf({ job: 'job-a', spec, identity, step: 3 });

describe('the origin of a checkpoint', () => {
  test('of the same job is the same, wherever its data lies and whatever hash an older version gave its file', () => {
    const here = { job: 'job-a', spec: parseJobSpec({ ...file, name: 'x', data: { format: 'idx', path: '/b' } }) };
    expect(describeDifferences(origin, { ...here, identity: { ...identity, specHash: 'as it is computed now' } })).toBeUndefined();
  });

  test('is told by what differs: job, file, data and versions', () => {
    const here = { job: 'job-b', spec: parseJobSpec({ ...file, seed: 4, schedule: { steps: 12 } }), identity: { ...identity, threads: 2 } };
    const { datasetFingerprint: _, ...lacking } = identity;
    expect(describeDifferences(originOf({ job: 'job-a', spec, identity: lacking }), here)).toBe(
      'it was written by job-a, not by job-b; schedule.steps: 10 there, 12 here; seed: 0 there, 4 here; threads: 1 there, 2 here; ' +
        'datasetFingerprint: nothing there, f here',
    );
  });

  test('that is unknown is none', () => {
    for (const state of [{}, { job: 7, spec: { schedule: 3 }, identity: null }]) {
      expect(describeDifferences(originOf(state), { job: 'job-b', spec })).toBe(
        'it was written by an unknown job, not by job-b; it holds no job file that can be compared',
      );
    }
  });

  test('may be another one only where the file names it and wishes so', () => {
    const wish = { ...spec, seed: 1, checkpoint: { ...spec.checkpoint, resumeAnyway: true } };
    expect(() => requireSameOrigin('/c', origin, { spec: { ...spec, seed: 1 } })).toThrow('--resume-anyway');
    expect(() => requireSameOrigin('/c', origin, { spec: wish })).not.toThrow();
    expect(() => requireOwnOrigin('/c', origin, { job: 'job-a', spec: wish })).toThrow('belongs to another job: seed: 0 there, 1 here');
    expect(() => requireOwnOrigin('/c', origin, { job: 'job-b', spec })).toThrow('written by job-a');
  });
});
