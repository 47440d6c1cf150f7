import { expect, test } from '@jest/globals';
import { parseJobSpec } from '@maestro/protocol';
import { createAdmission } from './admission.ts';

const file = { data: { format: 'idx', path: '/data/a' }, schedule: { epochs: 1 } };
const trained = parseJobSpec({ ...file, model: { embedDim: 96 } });
const admission = createAdmission({
  checkpoints: 's3://bucket/runs',
  inspectCheckpoint: async () => ({ step: 40 }),
  readJobSpec: async () => trained,
});
const read = (others: object) => admission.read(JSON.stringify({ ...file, ...others }));

test('a job file is made whole: its checkpoints have the place of this coordinator unless it names another', async () => {
  expect((await read({})).checkpoint.location).toBe('s3://bucket/runs');
  expect((await read({ checkpoint: { location: '/mine' } })).checkpoint.location).toBe('/mine');
});

test('a job that measures has the model of its checkpoint, no place for checkpoints, and begins at the first sample', async () => {
  const { schedule: _schedule, ...rest } = file;
  const spec = await admission.read(JSON.stringify({ ...rest, recipe: 'knn', checkpoint: { resumeFrom: '/c/step-00000040' } }));
  expect([spec.model.embedDim, spec.checkpoint.location]).toEqual([96, undefined]);
  expect(await admission.startPoint(spec)).toEqual({ path: '/c/step-00000040', step: 0 });
});

test('a job that resumes starts with the step of its checkpoint, any other from nothing', async () => {
  expect(await admission.startPoint(await read({ checkpoint: { resumeFrom: '/c/step-00000040' } }))).toEqual({
    path: '/c/step-00000040',
    step: 40,
  });
  expect(await admission.startPoint(await read({}))).toEqual({ path: '', step: 0 });
});

test('what is no JSON, or too long, is refused', async () => {
  await expect(admission.read('{')).rejects.toThrow('job file: not JSON');
  await expect(admission.read(' '.repeat(300_000))).rejects.toMatchObject({ code: 'too-large' });
});
