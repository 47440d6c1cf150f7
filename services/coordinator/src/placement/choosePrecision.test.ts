import { expect, test } from '@jest/globals';
import { OPERATORS_VERSION } from '@maestro/native/operators';
import { parseJobSpec } from '@maestro/protocol';
import { choosePrecision } from './choosePrecision.ts';

const job = (resources: object = {}, others: object = {}) =>
  parseJobSpec({ precision: 'auto', data: { format: 'idx', path: '/data' }, schedule: { steps: 1 }, resources, ...others });
const V = OPERATORS_VERSION;
const able = (name: string, kernels = 'avx2') => ({ name, device: 'cpu', operators: V, kernels });

test('auto is float32 when every worker that could serve the job has native operators', () => {
  expect(choosePrecision(job(), [able('a'), able('b', 'avx512'), able('c')])).toEqual({
    precision: 'float32',
    reason: `precision auto: float32, since all 3 workers have native operators ${V} (avx2, avx512)`,
  });
  const gpu = { name: 'g', device: 'cuda' };
  expect(choosePrecision(job(), [able('a'), gpu]).reason).toBe(
    `precision auto: float32, since the only worker has native operators ${V} (avx2)`,
  );
});

test.each([
  [{}, [], 'no cpu worker is connected'],
  [
    {},
    [able('a'), { name: 'b', device: 'cpu', operators: 0, kernels: 'no compiler' }],
    `1 of 2 workers lacks native operators ${V} (b: no compiler)`,
  ],
  [{}, [{ ...able('a'), operators: V + 1 }], `1 of 1 worker lacks native operators ${V} (a: version ${V + 1})`],
  [{ device: 'cuda' }, [able('a')], 'native operators are for cpu, and the job is for cuda'],
  [
    { allowMixedDevices: true },
    [able('a'), { ...able('g'), device: 'cuda' }],
    `1 of 2 workers lacks native operators ${V} (g: it computes on cuda)`,
  ],
])('else it is standard: %j %j', (resources, workers, why) => {
  expect(choosePrecision(job(resources), workers)).toEqual({ precision: 'standard', reason: `precision auto: standard, since ${why}` });
});

test('a job that does not train has no use for another', () => {
  const knn = { recipe: 'knn', schedule: {}, checkpoint: { resumeFrom: '/c' } };
  expect(choosePrecision(job({}, knn), [able('a')]).precision).toBe('standard');
});
