import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { isTerminal, type Job } from '@maestro/protocol';
import { writeBlobs } from '../support/blobs.ts';
import { smallJob } from '../support/smallJob.ts';

const TIMEOUT_MS = 120_000;
const STEPS = 60;
/** Long enough for workers to come and go meanwhile. */
const LONG = 300;

let dir: string;
let path: string;
let cluster: Cluster;
let client: JobClient;
let reference: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-sharding-'));
  path = await writeBlobs(join(dir, 'blobs'), { count: 300 });
  cluster = await startCluster({ workers: 3, dataDir: join(dir, 'data'), env: { MAESTRO_FAILURE_TIMEOUT_MS: '2000' } });
  client = connectJobClient(cluster.coordinator);
  reference = hashOf(await watch(await submit({ maxWorkers: 1 }, { state: 'replicated' })));
}, TIMEOUT_MS);

afterAll(async () => {
  client?.close();
  await cluster?.stop();
  await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

interface Wish {
  readonly state?: 'replicated' | 'sharded';
  readonly steps?: number;
  readonly everySteps?: number;
  readonly resumeFrom?: string;
}

/** Large enough for each of four workers to own several blocks of the flat vector. */
const MODEL = { embedDim: 96, depth: 3, decoderEmbedDim: 64, decoderDepth: 2 };

function submit(resources: object, { state = 'sharded', steps = STEPS, everySteps = 7, resumeFrom }: Wish = {}): Promise<Job> {
  const small = smallJob({ path, workers: 3, steps, checkpoint: { everySteps, ...(resumeFrom !== undefined && { resumeFrom }) } });
  const spec = { ...small, model: { ...(small['model'] as object), ...MODEL } };
  return client.submitJob({ spec: { ...spec, optimizer: { state }, resources: { virtualRanks: 8, minWorkers: 1, ...resources } } });
}

async function watch({ id }: Job, until: (job: Job) => boolean = () => false): Promise<Job> {
  for (;;) {
    try {
      for await (const now of client.watchJob(id)) if (until(now) || isTerminal(now.state)) return now;
    } catch {
      // The coordinator is away; jest's deadline bounds this.
    }
  }
}

const hasDone =
  (step: number) =>
  ({ progress }: Job): boolean =>
    (progress?.step ?? 0) >= step;

function hashOf(job: Job, steps = STEPS): string {
  expect([job.state, job.message]).toEqual(['succeeded', `finished after ${steps} steps`]);
  return job.checkpoints.at(-1)!.hash;
}

/** The job ends with the bits of a replicated one, and a clean ledger. */
async function expectExact(job: Job): Promise<Job> {
  const ended = await watch(job);
  expect(hashOf(ended)).toBe(reference);
  expect(await client.auditJob(job.id)).toMatchObject({ isClean: true, problems: [], step: STEPS });
  return ended;
}

const messages = (job: Job): string => job.events.map(({ message }) => message).join('\n');
const workers = (): string[] => cluster.processes.map(({ name }) => name).filter((name) => name.startsWith('worker-'));

test.each([1, 2, 3])(
  'on %d workers, each with the moments of its part alone, the weights are those of full replicas',
  async (count) => {
    const ended = await expectExact(await submit({ minWorkers: count, maxWorkers: count }));
    expect(ended.stepsRedone).toBe(0);
    expect(ended.checkpoints.map(({ step }) => step)).toEqual([7, 14, 21, 28, 35, 42, 49, 56, STEPS]);
  },
  TIMEOUT_MS,
);

test.each([
  ['worker-b', 'SIGKILL'],
  ['worker-a', 'SIGKILL'],
  ['worker-c', 'SIGSTOP'],
] as const)(
  '%s gets %s, and the moments that it alone had are lost: the job goes back, and ends with the same bits',
  async (name, signal) => {
    const job = await submit({});
    await watch(job, hasDone(10));
    cluster.kill(name, signal);
    const ended = await expectExact(job);
    expect(messages(ended)).toMatch(new RegExp(`lost worker ${name} at step`));
    expect(messages(ended)).toContain('a part of the state was lost with its owner: restored from');
    cluster.resume(name);
    if (signal !== 'SIGSTOP') await cluster.restart(name);
    await cluster.connected(3);
  },
  TIMEOUT_MS,
);

test(
  'an owner is killed while parameters are gathered, when some have applied the step: the job ends with the same bits',
  async () => {
    await cluster.restart('worker-b', { env: { MAESTRO_FAULTS: '17/all-gather/kill' } });
    await cluster.connected(3);
    const ended = await expectExact(await submit({ minWorkers: 2 }));
    expect(messages(ended)).toMatch(/lost worker-b in .+ \(step 1[78],/);
    expect(messages(ended)).toMatch(/restored from .*step-00000014, step 14/);
    await cluster.restart('worker-b', { env: {} });
    await cluster.connected(3);
  },
  TIMEOUT_MS,
);

test(
  'workers that join and leave hand over their parts: no step is computed twice',
  async () => {
    const job = await submit({ maxWorkers: 5 }, { steps: LONG, everySteps: 1000 });
    await watch(job, hasDone(8));
    const added = await cluster.addWorker();
    await watch(job, ({ members }) => members.some(({ name }) => name === added));
    await client.drainWorker('worker-a');
    const undisturbed = await submit({ maxWorkers: 1 }, { state: 'replicated', steps: LONG });
    const ended = await watch(job);
    expect(messages(ended)).toContain(`${added} joins`);
    expect(messages(ended)).toContain('worker-a leaves: it is drained on request');
    expect(messages(ended)).not.toContain('restored from');
    expect(ended.stepsRedone).toBe(0);
    expect(hashOf(ended, LONG)).toBe(hashOf(await watch(undisturbed), LONG));
    expect((await client.auditJob(job.id)).isClean).toBe(true);
    await cluster.restart('worker-a');
    await cluster.connected(4);
  },
  TIMEOUT_MS,
);

test(
  'all workers are killed: the job starts again from its newest valid checkpoint',
  async () => {
    const job = await submit({});
    await watch(job, hasDone(20));
    const names = workers();
    for (const name of names) cluster.kill(name);
    await Promise.all(names.map((name) => cluster.restart(name)));
    const ended = await expectExact(job);
    expect(messages(ended)).toContain('nobody held the state any more: restored from');
  },
  TIMEOUT_MS,
);

test(
  'a paused job writes down all parts of its state, frees its workers, and goes on where it was',
  async () => {
    await cluster.connected(3);
    const job = await submit({}, { everySteps: 1000 });
    await watch(job, hasDone(10));
    await client.pauseJob(job.id);
    const paused = await watch(job, ({ state }) => state === 'paused');
    expect(paused.checkpoints.at(-1)!.step).toBe(paused.progress!.step);
    await client.resumeJob(job.id);
    expect((await expectExact(job)).stepsRedone).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  'a cancelled job leaves a checkpoint of its last step, from which a replicated one goes on',
  async () => {
    const job = await submit({}, { everySteps: 1000 });
    await watch(job, hasDone(10));
    await client.cancelJob(job.id);
    const ended = await watch(job);
    expect(ended.state).toBe('cancelled');
    const last = ended.checkpoints.at(-1)!;
    expect(last.step).toBe(ended.progress!.step);
    expect(hashOf(await watch(await submit({ maxWorkers: 2 }, { state: 'replicated', resumeFrom: last.path })))).toBe(reference);
  },
  TIMEOUT_MS,
);

test(
  'the last workers leave together: what they had is in a checkpoint, and the next ones go on from it',
  async () => {
    const names = workers();
    const job = await submit({ minWorkers: 2 }, { everySteps: 1000 });
    await watch(job, hasDone(10));
    for (const name of names) cluster.kill(name, 'SIGTERM');
    await Promise.all(names.map((name) => cluster.ended(name)));
    await Promise.all(names.map((name) => cluster.restart(name)));
    const ended = await expectExact(job);
    expect([ended.stepsRedone, messages(ended)]).toEqual([0, expect.stringContaining('restored from')]);
  },
  TIMEOUT_MS,
);
