import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readJobSpec } from '@maestro/checkpoint';
import { openDataset } from '@maestro/data';
import { encodeSamples, knnAccuracy, loadCheckpoint, openModel } from '@maestro/evaluation';
import { isTerminal, type Job } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { hasDone, messagesOf, openTestCluster, type TestCluster } from '../support/cluster/testCluster.ts';

const TIMEOUT_MS = 300_000;
/** Enough steps of one image that a worker can be killed among them. */
const IMAGES = 1200;
const K = 20;

let shared: TestCluster;
let dir: string;
let path: string;
/** Of the trained encoder, and what `packages/evaluation` measures of it by itself. */
let checkpoint: string;
let direct: number;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-knn-images-'));
  path = await writeBlobs(join(dir, 'blobs'), { count: IMAGES });
  shared = await openTestCluster({ name: 'knn', workers: 2 });
  const trained = await shared.watch(await shared.client.submitJob({ spec: smallJob({ path, workers: 2, steps: 20 }) }));
  checkpoint = trained.checkpoints.at(-1)!.path;
  direct = await measure();
}, TIMEOUT_MS);

afterAll(async () => {
  await shared?.stop();
  await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

async function measure(): Promise<number> {
  const model = await openModel(await readJobSpec(checkpoint));
  try {
    await loadCheckpoint(model, checkpoint);
    const features = async (split: 'train' | 'test') =>
      encodeSamples({ ...model, dataset: await openDataset({ format: 'idx', path, split }), samples: IMAGES });
    return knnAccuracy(await features('train'), await features('test'), model.config.embedDim, { k: K });
  } finally {
    await model.evaluator.close();
  }
}

const knnJob = (others: object = {}): Record<string, unknown> => ({
  recipe: 'knn',
  data: { format: 'idx', path },
  knn: { k: K },
  schedule: { microBatch: 1 },
  checkpoint: { resumeFrom: checkpoint },
  ...others,
});
const submit = (others?: object): Promise<Job> => shared.client.submitJob({ spec: knnJob(others) });
/** The worker that has the job. */
const workerOf = ({ members }: Job): string => members.find(({ status }) => status !== 'left')!.name;

/** The job ended with the direct measurement, and each training sample was encoded in one committed step. */
async function expectMeasured(job: Pick<Job, 'id'>): Promise<Job> {
  const ended = await shared.watch(job);
  expect([ended.state, ended.results, messagesOf(ended)]).toEqual([
    'succeeded',
    { knnAccuracy: direct, trainSamples: IMAGES, testSamples: IMAGES, classes: 4, checkpointStep: 20 },
    expect.anything(),
  ]);
  const audit = await shared.client.auditJob(job.id);
  expect(audit).toMatchObject({ isClean: true, images: IMAGES, expected: IMAGES, missing: 0, duplicates: 0 });
  expect(ended.checkpoints).toEqual([]);
  return ended;
}

test(
  'a k-NN job measures what the evaluation package measures, whatever its batches',
  async () => {
    expect(direct).toBeGreaterThan(0.4);
    const ended = await expectMeasured(await submit({ schedule: { microBatch: 64 }, resources: { virtualRanks: 3 } }));
    expect(ended.message).toBe(`finished after 7 steps: k-NN accuracy ${(100 * direct).toFixed(2)} % of ${IMAGES} test samples`);
    expect(JSON.parse(ended.specJson)).toMatchObject({ name: 'knn', model: { embedDim: 48 }, knn: { test: { split: 'test' } } });
  },
  TIMEOUT_MS,
);

test(
  'kill -9 of its worker, among the training samples and then among the test samples, changes nothing',
  async () => {
    const job = await submit();
    const first = workerOf(await shared.watch(job, hasDone(IMAGES / 3)));
    shared.cluster.kill(first);
    await shared.cluster.restart(first);
    const second = workerOf(await shared.watch(job, ({ members }) => members.some(({ phase }) => phase === 'classify')));
    shared.cluster.kill(second);
    await shared.cluster.restart(second);
    const ended = await expectMeasured(job);
    for (const name of [first, second]) expect(messagesOf(ended)).toContain(`lost worker ${name} at step`);
    expect(messagesOf(ended)).toContain(`nobody held the state any more: restored from ${checkpoint}, step 0`);
    await shared.cluster.connected(2);
  },
  TIMEOUT_MS,
);

test(
  'it goes on after a pause, a drain of its worker and a restart of the coordinator, with the same number',
  async () => {
    const job = await submit();
    await shared.watch(job, hasDone(100));
    await shared.client.pauseJob(job.id);
    const paused = await shared.watch(job, ({ state }) => state === 'paused');
    expect([paused.state, paused.checkpoints, paused.results ?? {}]).toEqual(['paused', [], {}]);
    await shared.client.resumeJob(job.id);
    const drained = workerOf(await shared.watch(job, ({ state, generation }) => state === 'running' && generation > paused.generation));
    await shared.client.drainWorker(drained);
    await shared.watch(job, ({ members }) => members.some(({ name, status }) => name !== drained && status === 'working'));
    shared.cluster.kill('coordinator');
    await shared.cluster.restart('coordinator');
    await expectMeasured(job);
    shared.cluster.kill(drained);
    await shared.cluster.restart(drained);
    await shared.cluster.connected(2);
  },
  TIMEOUT_MS,
);

test('a cancelled job frees its worker and leaves no result', async () => {
  const job = await submit();
  await shared.watch(job, hasDone(50));
  await shared.client.cancelJob(job.id);
  const ended = await shared.watch(job);
  expect([ended.state, ended.checkpoints, ended.results ?? {}]).toEqual(['cancelled', [], {}]);
  expect((await shared.client.listWorkers()).map(({ jobId }) => jobId)).toEqual(['', '']);
});

test.each([
  ['no checkpoint', { checkpoint: {} }, 'checkpoint.resumeFrom: recipe knn needs the checkpoint folder whose encoder is measured'],
  ['another model', { model: { embedDim: 96 } }, 'model.embedDim: the checkpoint was trained with 48, found 96'],
  [
    'another preset',
    { model: { preset: 'mae_vit_base_patch16' } },
    'model.preset: the checkpoint was trained with "mae_vit_tiny_patch4", found "mae_vit_base_patch16"',
  ],
  ['another normalisation', { augment: { mean: [0.1] } }, 'augment.mean: the checkpoint was trained with nothing, found [0.1]'],
] as const)('%s is refused alike by gRPC and HTTP, and creates nothing', async (_, others, message) => {
  const url = `http://${shared.cluster.http}/api/v1/jobs`;
  const answer = await fetch(`${url}?dryRun=true`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(knnJob(others)),
  });
  await expect(submit(others)).rejects.toThrow(message);
  expect((await shared.client.listJobs()).filter(({ state }) => !isTerminal(state))).toEqual([]);
  const { detail } = (await answer.json()) as { readonly detail: string };
  expect([answer.status, detail]).toEqual([400, expect.stringContaining(message)]);
});

test('HTTP takes a file that says of the model what is true, and gives the job with its results', async () => {
  const url = `http://${shared.cluster.http}/api/v1/jobs`;
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url, {
    method: 'POST',
    headers,
    body: JSON.stringify(knnJob({ model: { embedDim: 48 }, schedule: { microBatch: 128 } })),
  });
  expect(answer.status).toBe(201);
  const { id } = (await answer.json()) as { readonly id: string };
  await shared.watch({ id });
  const resource = (await (await fetch(`${url}/${id}`)).json()) as { readonly progress: object };
  // Nothing is trained: it tells no metric of its steps, under no name.
  expect(resource).toMatchObject({ state: 'succeeded', results: { knnAccuracy: direct }, progress: { metrics: {}, firstMetrics: {} } });
  for (const name of ['loss', 'lossFirst', 'learningRate', 'gradNorm']) expect(resource.progress).not.toHaveProperty(name);
});
