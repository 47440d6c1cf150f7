import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { OPERATORS_VERSION } from '@maestro/native/operators';
import { parseJobSpec } from '@maestro/protocol';
import { checkJob, type JobSituation, requireFeasible } from './checkJob.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-check-'));
  await mkdir(join(dir, 'images'));
  for (let i = 0; i < 40; i++) await writeFile(join(dir, 'images', `${i}.jpg`), '');
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const worker = (host: string, device = 'cpu') => ({ name: 'w', host, device, threads: 1, isDrained: false });
const here: JobSituation = { host: 'a', workers: [worker('a'), worker('a')], jobs: [] };
const elsewhere: JobSituation = { ...here, workers: [worker('a'), worker('b')] };
const job = (path: string, others: Record<string, object> = {}) => {
  const { schedule = {}, resources = {}, ...rest } = others;
  return parseJobSpec({
    data: { format: 'image-folder', path },
    schedule: { steps: 200, microBatch: 4, baseLr: 0.01, ...schedule },
    resources: { virtualRanks: 8, ...resources },
    ...rest,
  });
};
const images = () => join(dir, 'images');

test('a job that could never do anything is refused with all that is wrong', async () => {
  const wrong = job(join(dir, 'imags'), { model: { imageSize: 225 } });
  await expect(requireFeasible(wrong, { ...here, startStep: 0 })).rejects.toMatchObject({
    code: 'invalid-argument',
    details: {
      issues: [
        'model.imageSize: expected a multiple of patchSize (16), found 225',
        `data.path: there is nothing at ${join(dir, 'imags')}; did you mean ${images()}?`,
      ],
    },
  });
  await expect(requireFeasible(job('/nowhere'), { ...here, startStep: 0 })).rejects.toMatchObject({ code: 'data-invalid' });
  await expect(requireFeasible(job(images(), { schedule: { microBatch: 6 } }), { ...here, startStep: 0 })).rejects.toThrow(
    /^job file: schedule: 40 samples do not fill one step of 48 .*; data\.holdOut 0\.01 leaves about 40 of them$/,
  );
  await expect(requireFeasible(job(images()), { ...here, startStep: 200 })).rejects.toThrow(
    'nothing to do: the checkpoint has 200 steps done, and the job ends after 200',
  );
  await expect(
    requireFeasible(job(images(), { schedule: { steps: undefined, epochs: 3 } as object }), { ...here, startStep: 3 }),
  ).rejects.toThrow('nothing to do: the checkpoint has 3 steps done, and the job ends after 3');
  expect(await requireFeasible(job(images()), { ...here, startStep: 199 })).toEqual([]);
});

test('what the coordinator alone does not see is no reason to refuse where workers may see it', async () => {
  const warning = 'data.path: there is nothing at /nowhere, as the coordinator sees it; whether workers see more shows when the job starts';
  expect(await requireFeasible(job('/nowhere'), { ...elsewhere, startStep: 0 })).toEqual([warning]);
  expect(await requireFeasible(job('/nowhere'), { ...here, workers: [], startStep: 0 })).toEqual([
    warning,
    'resources: no workers are connected; the job waits for one',
  ]);
  await expect(requireFeasible(job(join(images(), '0.jpg')), { ...elsewhere, startStep: 0 })).rejects.toThrow('is a file');
});

test('a job that has to wait for workers says for which', async () => {
  const about = (resources: object) => requireFeasible(job(images(), { resources }), { ...here, startStep: 0 });
  expect(await about({ device: 'cuda' })).toEqual([
    'resources.device: no connected worker has cuda: 2 are connected (cpu); the job waits until a worker with MAESTRO_DEVICE=cuda is ' +
      'started',
  ]);
  expect(await about({ minWorkers: 3 })).toEqual([
    'resources.minWorkers: 2 of the 3 required cpu workers are connected; the job waits for the rest',
  ]);
  expect(await about({ minWorkers: 2 })).toEqual([]);
});

test('a dry run counts all samples, and takes the speed of an earlier job', async () => {
  const spec = job(images());
  const earlier = { spec, job: { progress: { imagesPerSecond: 10 }, members: [{}, {}] } } as unknown as JobSituation['jobs'][number];
  const { plan } = await checkJob(spec, { ...here, jobs: [earlier], startStep: 0 });
  expect(plan).toMatchObject({ samples: 40, stepsPerEpoch: 1, totalSteps: 200, workers: 2, secondsBy: 'earlierJob' });
  expect(plan.seconds).toBeCloseTo((200 * 32) / 10);
});

test('a dry run says what precision auto would become now', async () => {
  const spec = job(images(), { precision: 'auto' as unknown as object });
  const told = async (workers: JobSituation['workers']) => (await checkJob(spec, { ...here, workers, startStep: 0 })).warnings;
  const able = { ...worker('a'), operators: OPERATORS_VERSION, kernels: 'avx2' };
  expect(await told([able, able])).toEqual([
    `precision auto: float32, since all 2 workers have native operators ${OPERATORS_VERSION} (avx2); it is decided when the job first starts`,
  ]);
  expect(await told([able, worker('a')])).toEqual([expect.stringMatching(/^precision auto: standard, since 1 of 2 workers lacks native/)]);
  expect(await requireFeasible(spec, { ...here, startStep: 0 })).toEqual([]);
});
