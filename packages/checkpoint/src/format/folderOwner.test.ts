import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { flatTensors, folderOwner, glanceAtCheckpoint, newestValidCheckpoint, verifyCheckpoint, writeCheckpoint } from '../index.ts';

const A = `job-${'a'.repeat(26)}`;
const B = `job-${'b'.repeat(26)}`;

test.each([
  [`/d/jobs/${A}/checkpoints/step-00000004`, A],
  [`/d/jobs/${A}/checkpoints`, A],
  [`/elsewhere/${A}/step-00000004`, A],
  [`s3://bucket/prefix/${A}/step-00000004`, A],
  ['/backup/step-00000004', undefined],
  [`/d/jobs/${A}/artifacts`, undefined],
  [`/d/${A}/backup/step-00000004`, undefined],
  ['/', undefined],
])('%s lies in the folder of %s', (place, owner) => {
  expect(folderOwner(place)).toBe(owner);
});

test('a checkpoint of another job in a job folder is not valid there, is named by its writer, and is passed over', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-owner-'));
  try {
    const tensors = () => flatTensors({ tensors: [{ name: 'w', shape: [2], offset: 0, size: 2 }] }, new Float32Array(2));
    const training = { parameters: tensors(), firstMoments: tensors(), secondMoments: tensors() };
    const write = (job: string, name: string, step: number) =>
      writeCheckpoint({ root: join(dir, job), step, ...training, state: { job, spec: { name } } });
    await write(A, 'swA', 2);
    const foreign = await write(B, 'swB', 4);
    const moved = join(dir, A, 'step-00000004');
    await cp(foreign.dir, moved, { recursive: true });
    const problems = [
      { file: 'state.json', message: expect.stringContaining(`was written by ${B} ("swB"), not by ${A}, in whose folder it lies`) },
    ];
    expect(await verifyCheckpoint(moved, { job: A })).toMatchObject({ valid: false, problems });
    expect(await glanceAtCheckpoint(moved, { job: A })).toMatchObject({ valid: false, problems });
    expect(await newestValidCheckpoint(join(dir, A), { job: A })).toMatchObject({
      checkpoint: { step: 2 },
      passedOver: [{ step: 4, problems }],
    });
    expect(await verifyCheckpoint(moved)).toMatchObject({ valid: true });
    expect(await verifyCheckpoint(foreign.dir, { job: B })).toMatchObject({ valid: true });
  } finally {
    await rm(dir, { recursive: true });
  }
});

test('a folder of checkpoints is told from a checkpoint that was never finished', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-root-'));
  try {
    const newest = join(dir, 'checkpoints', 'step-00000004');
    await mkdir(newest, { recursive: true });
    for (const place of [dir, join(dir, 'checkpoints')]) {
      await expect(verifyCheckpoint(place)).rejects.toThrow(`it is a folder of checkpoints, not a checkpoint; name one, such as ${newest}`);
    }
    expect(await verifyCheckpoint(newest)).toMatchObject({ problems: [{ message: expect.stringContaining('never finished') }] });
  } finally {
    await rm(dir, { recursive: true });
  }
});
