import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readCheckpoint, verifyCheckpoint } from '@maestro/checkpoint';
import type { Cluster } from '@maestro/cli';
import type { JobClient } from '@maestro/client';
import type { Job } from '@maestro/protocol';
import { smallJob } from '../support/cluster/smallJob.ts';
import { hasDone, hashOf, messagesOf, openTestCluster, type TestCluster } from '../support/cluster/testCluster.ts';

const TIMEOUT_MS = 300_000;
/** Not a multiple of the inner steps: the last round is shorter. */
const STEPS = 43;
/** Long enough for workers to come and go meanwhile. */
const LONG = 300;
const SYNC = { mode: 'diloco', replicas: 4, innerSteps: 5 };

let shared: TestCluster;
let cluster: Cluster;
let client: JobClient;
let reference: Job;

beforeAll(async () => {
  shared = await openTestCluster({ name: 'diloco' });
  ({ cluster, client } = shared);
  reference = await watch(await submit({ maxWorkers: 1 }));
  hashOf(reference, STEPS);
}, TIMEOUT_MS);

afterAll(() => shared?.stop(), TIMEOUT_MS);

function submit(
  resources: object,
  { sync = SYNC, steps = STEPS, checkpoint = {} }: { readonly sync?: object; readonly steps?: number; readonly checkpoint?: object } = {},
): Promise<Job> {
  const spec = smallJob({ path: shared.path, workers: 1, steps, sync, checkpoint: { everySteps: 7, ...checkpoint } });
  return client.submitJob({ spec: { ...spec, resources: { virtualRanks: 8, minWorkers: 1, ...resources } } });
}

const watch: TestCluster['watch'] = (...parameters) => shared.watch(...parameters);

/** The job ends with the reference's bits, and every sample of every epoch in one committed step. */
async function expectExact(job: Job): Promise<Job> {
  const ended = await shared.expectExact(job, { hash: hashOf(reference, STEPS), steps: STEPS });
  expect(ended.progress!.metrics['loss']!).toBe(reference.progress!.metrics['loss']!);
  return ended;
}

test(
  'one, two and three workers leave the same bits of four replicas, and members own whole ones',
  async () => {
    const [two, three] = [
      await expectExact(await submit({ minWorkers: 2, maxWorkers: 2 })),
      await expectExact(await submit({ minWorkers: 3, maxWorkers: 3 })),
    ];
    expect(two.members.map(({ firstRank, ranks }) => [firstRank, ranks])).toEqual([
      [0, 4],
      [4, 4],
    ]);
    expect(three.members.map(({ firstRank, ranks }) => [firstRank, ranks])).toEqual([
      [0, 4],
      [4, 2],
      [6, 2],
    ]);
    // Due every 7 steps, written at the end of the round.
    expect(three.checkpoints.map(({ step }) => step)).toEqual([10, 15, 25, 30, 35, 43].slice(-three.checkpoints.length));
    expect(three.progress!.metrics['loss']!).toBeLessThan(three.progress!.firstMetrics['loss']!);
  },
  TIMEOUT_MS,
);

test(
  'a checkpoint holds the outer parameters as the model, the outer momentum and the moments of all replicas',
  async () => {
    const { path: folder, hash } = reference.checkpoints.at(-1)!;
    expect(await verifyCheckpoint(folder)).toMatchObject({ valid: true, checkpointHash: hash, step: STEPS });
    const { parameters, firstMoments, replicas } = await readCheckpoint(folder);
    const names = replicas!.map(({ name }) => name);
    expect(replicas).toHaveLength(parameters.length * 7);
    for (const name of ['outer.cls_token.momentum', 'replica1.cls_token.exp_avg', 'replica3.norm.weight.exp_avg_sq']) {
      expect(names).toContain(name);
    }
    const [first, second] = [firstMoments, replicas!].map((list) => list.find(({ name }) => /^(replica1\.)?cls_token/.test(name))!.data);
    expect(first!.some((value) => value !== 0)).toBe(true);
    expect(second).not.toEqual(first);
  },
  TIMEOUT_MS,
);

test(
  'a worker is killed: the others go on from the newest checkpoint, and end with the same bits',
  async () => {
    const name = 'worker-b';
    const job = await submit({ minWorkers: 2 });
    await watch(job, hasDone(18));
    cluster.kill(name);
    const ended = await expectExact(job);
    expect(messagesOf(ended)).toContain(`lost worker ${name}`);
    expect(messagesOf(ended)).toMatch(/restored from .*step-000000(1|2)\d/);
    await cluster.restart(name);
    await cluster.connected(3);
  },
  TIMEOUT_MS,
);

test.each([
  ['worker-a', '15/checkpoint-rename/kill'],
  ['worker-b', '15/serve/kill'],
] as const)(
  '%s dies at %s: the checkpoint of that round is not there, and the one before it is enough',
  async (name, faults) => {
    await cluster.restart(name, { env: { MAESTRO_FAULTS: faults } });
    await cluster.connected(3);
    const ended = await expectExact(await submit({ minWorkers: 2 }));
    expect(messagesOf(ended)).toContain(`lost worker ${name}`);
    expect(messagesOf(ended)).toContain('step-00000010, step 10');
    await cluster.restart(name, { env: {} });
    await cluster.connected(3);
  },
  TIMEOUT_MS,
);

test(
  'workers that join and leave take replicas over at the end of a round: nothing is computed twice',
  async () => {
    const job = await submit({ maxWorkers: 3 }, { steps: LONG });
    await watch(job, hasDone(8));
    await client.drainWorker('worker-b');
    const added = await cluster.addWorker();
    const ended = await watch(job);
    const undisturbed = await watch(await submit({ maxWorkers: 1 }, { steps: LONG }));
    expect(hashOf(ended, LONG)).toBe(hashOf(undisturbed, LONG));
    expect((await client.auditJob(job.id)).isClean).toBe(true);
    expect(messagesOf(ended)).toContain('worker-b leaves: it is drained on request');
    expect(messagesOf(ended)).toContain(`${added} join`);
    expect(ended.stepsRedone).toBe(0);
    await cluster.restart('worker-b');
    await cluster.connected(4);
  },
  TIMEOUT_MS,
);

test(
  'a paused job goes on where it was, and a job that resumes from a checkpoint on other workers ends with the same bits',
  async () => {
    const job = await submit({ minWorkers: 2 });
    await watch(job, hasDone(10));
    await client.pauseJob(job.id);
    const paused = await watch(job, ({ state }) => state === 'paused');
    const { step, path: folder } = paused.checkpoints.at(-1)!;
    expect([step, step % 5]).toEqual([paused.progress!.step, 0]);
    await expectExact(await submit({ maxWorkers: 1 }, { checkpoint: { resumeFrom: folder } }));
    await client.resumeJob(job.id);
    expect((await expectExact(job)).stepsRedone).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  'a cancelled job ends at once, with the checkpoints that it has',
  async () => {
    const job = await submit({ minWorkers: 2 }, { steps: 5000 });
    await watch(job, hasDone(12));
    await client.cancelJob(job.id);
    const ended = await watch(job);
    expect(ended.state).toBe('cancelled');
    expect((await verifyCheckpoint(ended.checkpoints.at(-1)!.path)).valid).toBe(true);
  },
  TIMEOUT_MS,
);

test(
  'one replica takes the very steps of a job that sums gradients, up to its outer step',
  async () => {
    const [apart, together] = await Promise.all([
      watch(await submit({ maxWorkers: 1 }, { steps: 12, sync: { mode: 'diloco', replicas: 1, innerSteps: 12 } })),
      watch(await submit({ maxWorkers: 1 }, { steps: 12, sync: { mode: 'allReduce' } })),
    ]);
    expect(apart.progress!.metrics['gradNorm']!).toBe(together.progress!.metrics['gradNorm']!);
    expect(apart.progress!.metrics['learningRate']).toBe(together.progress!.metrics['learningRate']);
    expect(apart.progress!.metrics['loss']!).toBeCloseTo(together.progress!.metrics['loss']!, 12);
    expect(hashOf(apart, 12)).not.toBe(hashOf(together, 12));
  },
  TIMEOUT_MS,
);

test.each([{ mode: 'allReduce' }, SYNC])(
  'sums that are gathered as bfloat16 are the same on one and three workers ($mode), and not those of float32',
  async (sync) => {
    const options = { steps: 12, sync: { ...sync, allGather: 'bf16' } };
    const [one, three] = [await watch(await submit({ maxWorkers: 1 }, options)), await watch(await submit({ minWorkers: 3 }, options))];
    expect(hashOf(three, 12)).toBe(hashOf(one, 12));
    const plain = await watch(await submit({ maxWorkers: 1 }, { steps: 12, sync }));
    expect(hashOf(plain, 12)).not.toBe(hashOf(one, 12));
    expect(Math.abs(one.progress!.metrics['loss']! / plain.progress!.metrics['loss']! - 1)).toBeLessThan(0.01);
  },
  TIMEOUT_MS,
);
