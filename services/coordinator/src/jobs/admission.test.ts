import { expect, test } from '@jest/globals';
import type { CheckpointOrigin } from '@maestro/checkpoint';
import { parseJobSpec } from '@maestro/protocol';
import { queuedRun } from '../run/state/runState.ts';
import { createAdmission } from './admission.ts';

const file = { data: { format: 'idx', path: '/data/a' }, schedule: { epochs: 1 } };
const trained = parseJobSpec({ ...file, model: { embedDim: 96 } });
const origin: CheckpointOrigin = { job: 'job-a', spec: trained, identity: {} };
const admission = createAdmission({
  checkpoints: 's3://bucket/runs',
  inspectCheckpoint: async (path) => ({ step: 40, origin: path.startsWith('/foreign') ? { ...origin, spec: undefined } : origin }),
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
  const alike = await read({ model: { embedDim: 96 }, name: 'again', checkpoint: { resumeFrom: '/c/step-00000040' } });
  expect(await admission.startPoint(alike)).toEqual({ path: '/c/step-00000040', step: 40 });
  expect(await admission.startPoint(await read({}))).toEqual({ path: '', step: 0 });
});

test('precision auto of a job that resumes is the precision of its checkpoint', async () => {
  const resumed = await read({ model: { embedDim: 96 }, precision: 'auto', checkpoint: { resumeFrom: '/c/40' } });
  expect(resumed.precision).toBe('standard');
  expect(await admission.startPoint(resumed)).toEqual({ path: '/c/40', step: 40 });
  expect((await admission.startPoint(resumed, '{"precision":"auto"}')).notes).toEqual([
    'precision auto: standard, since /c/40 was trained with it',
  ]);
  expect((await read({ precision: 'auto' })).precision).toBe('auto');
});

test('what is no JSON, or too long, is refused', async () => {
  await expect(admission.read('{')).rejects.toThrow('job file: not JSON');
  await expect(admission.read(' '.repeat(300_000))).rejects.toMatchObject({ code: 'too-large' });
});

test('a checkpoint of another job file is refused by what differs, and taken when the file wishes so', async () => {
  const resume = (others: object, resumeAnyway = false, path = '/c/40') =>
    read({ model: { embedDim: 96 }, ...others, checkpoint: { resumeFrom: path, resumeAnyway } }).then(admission.startPoint);
  await expect(resume({ seed: 7, schedule: { epochs: 2 } })).rejects.toMatchObject({
    code: 'invalid-argument',
    message:
      'checkpoint.resumeFrom: /c/40 belongs to a different job: schedule.epochs: 1 there, 2 here; seed: 0 there, 7 here; set ' +
      'checkpoint.resumeAnyway=true (`--resume-anyway`) to continue from it anyway',
  });
  const differences = 'schedule.epochs: 1 there, 2 here; seed: 0 there, 7 here';
  expect(await resume({ seed: 7, schedule: { epochs: 2 } }, true)).toEqual({
    path: '/c/40',
    step: 40,
    notes: [`goes on from /c/40, of another job, as checkpoint.resumeAnyway allows: ${differences}`],
  });
  await expect(resume({}, false, '/foreign')).rejects.toThrow('it holds no job file that can be compared');
  expect(await resume({}, true, '/foreign')).toMatchObject({ path: '/foreign', step: 40, notes: [expect.stringContaining('no job file')] });
});

test('the events of a job that takes a checkpoint of another optimizer say that its moments start at zero', async () => {
  const resume = async (optimizer: object) => {
    const spec = await read({ model: { embedDim: 96 }, optimizer, checkpoint: { resumeFrom: '/c/40', resumeAnyway: true } });
    return queuedRun({ id: 'job-b', spec, startPoint: await admission.startPoint(spec) }, 1, 0);
  };
  const { records, restore } = await resume({ name: 'sgd' });
  expect(records.map(({ type, step, message }) => [type, step, message])).toEqual([
    ['restore', 40, expect.stringContaining('goes on from /c/40, of another job, as checkpoint.resumeAnyway allows: optimizer.')],
    ['restore', 40, 'optimizer moments start at zero: adamw there, sgd here'],
  ]);
  expect(restore).toEqual({ path: '/c/40', step: 40 });
  expect((await resume({ weightDecay: 0 })).records).toHaveLength(1);
  expect((await resume({})).records).toEqual([]);
});

test('a checkpoint of another model, or of other replicas, is refused whatever the file wishes', async () => {
  const resume = (others: object) =>
    read({ ...others, checkpoint: { resumeFrom: '/c/40', resumeAnyway: true } }).then(admission.startPoint);
  await expect(resume({ model: { embedDim: 48 } })).rejects.toThrow('/c/40 is of another model; use the model section');
  const sync = { mode: 'diloco', replicas: 2 };
  await expect(resume({ model: { embedDim: 96 }, sync })).rejects.toThrow('was written with sync.replicas none, the job has 2');
});
