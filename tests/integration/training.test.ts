import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readCheckpoint, verifyCheckpoint } from '@maestro/checkpoint';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { isTerminal, type Job } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { smallJob } from '../support/cluster/smallJob.ts';

const WORKERS = 3;
const TIMEOUT_MS = 300_000;

let dir: string;
let path: string;
let cluster: Cluster;
let client: JobClient;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-training-'));
  path = await writeBlobs(join(dir, 'blobs'), { count: 300 });
  cluster = await startCluster({ workers: WORKERS, dataDir: join(dir, 'data') });
  client = connectJobClient(cluster.coordinator);
}, TIMEOUT_MS);

afterAll(async () => {
  client?.close();
  await cluster?.stop();
  await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

/** Follows a job until it has ended, or `until` holds. */
async function watch(job: Job, until: (job: Job) => boolean = () => false): Promise<Job> {
  for await (const now of client.watchJob(job.id)) if (until(now) || isTerminal(now.state)) return now;
  throw new Error(`the watch of ${job.id} ended before the job`);
}

const train = async (options: Omit<Parameters<typeof smallJob>[0], 'path'>): Promise<Job> =>
  watch(await client.submitJob({ spec: smallJob({ path, ...options }) }));
/** The usual job on two workers, which several tests look at; it is trained once. */
const onTwo = (): Promise<Job> => {
  twoTrained ??= train({ workers: 2 });
  return twoTrained;
};
let twoTrained: Promise<Job> | undefined;

test(
  'one, two and three workers leave the same bits, twice',
  async () => {
    const jobs = [];
    for (const workers of [1, 2, 3, 3]) jobs.push(await (workers === 2 ? onTwo() : train({ workers })));
    expect(jobs.map(({ state, message }) => [state, message])).toEqual(jobs.map(() => ['succeeded', 'finished after 12 steps']));
    const hashes = jobs.map(({ checkpoints }) => checkpoints.at(-1)!.hash);
    expect(new Set(hashes).size).toBe(1);
    const losses = jobs.map(({ progress }) => progress!.metrics['loss']!);
    expect(new Set(losses).size).toBe(1);
    expect(losses[0]).toBeLessThan(jobs[0]!.progress!.firstMetrics['loss']!);
    expect(jobs[3]!.members.map(({ name, firstRank, ranks }) => [name, firstRank, ranks])).toEqual([
      ['worker-a', 0, 3],
      ['worker-b', 3, 3],
      ['worker-c', 6, 2],
    ]);
  },
  TIMEOUT_MS,
);

test(
  'a job that resumes from a checkpoint, on other workers, ends with the bits of one that never stopped',
  async () => {
    const whole = await onTwo();
    const middle = whole.checkpoints.find(({ step }) => step === 5)!;
    const resumed = await train({ workers: 3, checkpoint: { resumeFrom: middle.path } });
    expect(resumed.progress!.step).toBe(12);
    expect(resumed.checkpoints.at(-1)!.hash).toBe(whole.checkpoints.at(-1)!.hash);
  },
  TIMEOUT_MS,
);

test(
  'every checkpoint of a job verifies, and its hash is the one that was reported',
  async () => {
    const job = await onTwo();
    expect(job.checkpoints.map(({ step }) => step)).toEqual([5, 10, 12]);
    for (const { path: folder, step, hash } of job.checkpoints) {
      expect(await verifyCheckpoint(folder)).toMatchObject({ valid: true, step, checkpointHash: hash });
    }
    const { state, parameters } = await readCheckpoint(job.checkpoints.at(-1)!.path);
    expect(state).toMatchObject({ job: job.id, identity: { device: 'cpu', threads: 1 } });
    expect(parameters.map(({ name }) => name)).toContain('blocks.1.attn.qkv.weight');
  },
  TIMEOUT_MS,
);

test(
  'an accumulated batch and a kept last batch are the same on any number of workers',
  async () => {
    const schedule = { microBatch: 4, accumulation: 2, lastBatch: 'keep' };
    const [one, three] = [await train({ workers: 1, schedule }), await train({ workers: 3, schedule })];
    expect(one.state).toBe('succeeded');
    expect(three.checkpoints.at(-1)!.hash).toBe(one.checkpoints.at(-1)!.hash);
    // 300 images make four full steps of 64 and one of 44 an epoch; twelve steps are two epochs and two steps.
    expect(one.progress!.images).toBe(2 * 300 + 2 * 64);
  },
  TIMEOUT_MS,
);

test(
  'a kept last batch of fewer images than virtual ranks trains on those there are',
  async () => {
    // 300 images make five steps of 56 and one of 20 an epoch: 36 of the 56 micro-batches of that step are empty.
    const schedule = { microBatch: 1, accumulation: 7, lastBatch: 'keep' };
    const [one, three] = [await train({ workers: 1, schedule }), await train({ workers: 3, schedule })];
    expect(one.message).toBe('finished after 12 steps');
    expect(three.checkpoints.at(-1)!.hash).toBe(one.checkpoints.at(-1)!.hash);
    expect(one.progress!.images).toBe(2 * 300);
  },
  TIMEOUT_MS,
);

test(
  'cancelling stops a running job at a step boundary, with a checkpoint of it',
  async () => {
    const submitted = await client.submitJob({ spec: smallJob({ path, workers: 2, steps: 5000 }) });
    await watch(submitted, ({ progress }) => (progress?.step ?? 0) > 3);
    await client.cancelJob(submitted.id);
    const job = await watch(submitted);
    expect(job.state).toBe('cancelled');
    const last = job.checkpoints.at(-1)!;
    expect(last.step).toBeGreaterThan(3);
    expect((await verifyCheckpoint(last.path)).valid).toBe(true);
    expect((await client.listWorkers()).map(({ jobId }) => jobId)).toEqual(['', '', '']);
  },
  TIMEOUT_MS,
);

test(
  'a second job waits, with the reason, until workers are free',
  async () => {
    const long = await client.submitJob({ spec: smallJob({ path, workers: 2, steps: 5000 }) });
    await watch(long, ({ state }) => state === 'running');
    const short = await client.submitJob({ spec: smallJob({ path, workers: 2 }) });
    expect(short).toMatchObject({ state: 'queued', message: 'waiting: needs 2 cpu workers, 1 free' });
    await client.cancelJob(long.id);
    expect((await watch(short)).state).toBe('succeeded');
  },
  TIMEOUT_MS,
);

test('bad input is refused by name, and creates nothing', async () => {
  const before = await client.listJobs();
  const spec = smallJob({ path, workers: 1 });
  await expect(client.submitJob({ spec: { ...spec, schedule: { epoch: 3 } } })).rejects.toThrow(
    'schedule.epoch: unknown key, did you mean epochs?',
  );
  await expect(client.submitJob({ spec: { ...spec, checkpoint: { resumeFrom: join(dir, 'nowhere') } } })).rejects.toThrow('no such folder');
  await expect(client.getJob('job-nothing')).rejects.toThrow('job job-nothing: not found');
  expect(await client.listJobs()).toEqual(before);
});

test('data that is not there, and a model that does not fit its data, are refused at the submit with the reason', async () => {
  const submit = (options: object) => client.submitJob({ spec: smallJob({ path, workers: 1, ...options }) });
  await expect(submit({ path: join(dir, 'nowhere') })).rejects.toThrow(`data.path: there is nothing at ${join(dir, 'nowhere')}`);
  await expect(submit({ schedule: { microBatch: 4096 } })).rejects.toThrow('300 samples do not fill one step');
  await expect(submit({ model: { imageSize: 17 } })).rejects.toThrow('model.imageSize: expected a multiple of patchSize (4), found 17');
});

test('submitting twice with the same idempotency key gives the same job', async () => {
  const request = { spec: smallJob({ path, workers: 1, steps: 1 }), idempotencyKey: 'once' };
  const [first, second] = [await client.submitJob(request), await client.submitJob(request)];
  expect(second.id).toBe(first.id);
  await watch(first);
});
