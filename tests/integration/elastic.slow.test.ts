import { cp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { verifyCheckpoint } from '@maestro/checkpoint';
import type { Cluster } from '@maestro/cli';
import type { JobClient } from '@maestro/client';
import type { Job } from '@maestro/protocol';
import { runCli } from '../support/cluster/runCli.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { hasDone, hashOf, messagesOf, openTestCluster, type TestCluster } from '../support/cluster/testCluster.ts';
import { eventually } from '../support/eventually.ts';

const TIMEOUT_MS = 300_000;
const STEPS = 60;
/** Long enough for workers to come and go meanwhile. */
const LONG = 300;

let shared: TestCluster;
let cluster: Cluster;
let client: JobClient;
let reference: string;

beforeAll(async () => {
  shared = await openTestCluster({ name: 'elastic' });
  ({ cluster, client } = shared);
  reference = hashOf(await watch(await submit({ maxWorkers: 1 })), STEPS);
}, TIMEOUT_MS);

afterAll(() => shared?.stop(), TIMEOUT_MS);

function submit(resources: object, steps = STEPS): Promise<Job> {
  const spec = smallJob({ path: shared.path, workers: 3, steps, checkpoint: { everySteps: 7 } });
  return client.submitJob({ spec: { ...spec, resources: { virtualRanks: 8, minWorkers: 1, ...resources } } });
}

const watch: TestCluster['watch'] = (...parameters) => shared.watch(...parameters);
/** The job ends with the reference's bits and a clean ledger. */
const expectExact = (job: Job): Promise<Job> => shared.expectExact(job, { hash: reference, steps: STEPS });

test.each([
  ['worker-a', 'SIGKILL'],
  ['worker-b', 'SIGKILL'],
  ['worker-b', 'SIGSTOP'],
  ['worker-c', 'SIGTERM'],
] as const)(
  '%s gets %s: the others go on, and the weights are those of an undisturbed run',
  async (name, signal) => {
    const job = await submit({});
    await watch(job, hasDone(10));
    cluster.kill(name, signal);
    const ended = await expectExact(job);
    expect(messagesOf(ended)).toMatch(new RegExp(signal === 'SIGTERM' ? `${name} leaves` : `lost worker ${name} at step`));
    cluster.resume(name);
    if (signal !== 'SIGSTOP') await cluster.restart(name);
    await cluster.connected(3);
  },
  TIMEOUT_MS,
);

test(
  'workers that join and leave do not change the weights',
  async () => {
    const job = await submit({ maxWorkers: 5 }, LONG);
    await watch(job, hasDone(8));
    const added = await cluster.addWorker();
    await watch(job, ({ members }) => members.some(({ name }) => name === added));
    await client.drainWorker('worker-a');
    const undisturbed = await submit({ maxWorkers: 1 }, LONG);
    const ended = await watch(job);
    expect(messagesOf(ended)).toContain(`${added} joins`);
    expect(messagesOf(ended)).toContain('worker-a leaves: it is drained on request');
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
    const names = shared.workers();
    for (const name of names) cluster.kill(name);
    await Promise.all(names.map((name) => cluster.restart(name)));
    const ended = await expectExact(job);
    expect(messagesOf(ended)).toContain('nobody held the state any more: restored from');
  },
  TIMEOUT_MS,
);

test(
  'the coordinator is killed: workers go on, and the next one finds them at work',
  async () => {
    await cluster.connected(shared.workers().length);
    const job = await submit({});
    const before = await watch(job, hasDone(10));
    cluster.kill('coordinator');
    await cluster.restart('coordinator');
    const ended = await expectExact(job);
    expect(ended.generation).toBe(before.generation);
    expect(ended.stepsRedone).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  'Redis is killed and comes back: training pauses at most, nothing is lost, and the audit says so to people and to programs',
  async () => {
    const job = await submit({ minWorkers: 3 });
    await watch(job, hasDone(10));
    cluster.kill('redis');
    await cluster.restart('redis');
    await watch(job);
    // The last steps may still be on their way into the ledger.
    await eventually('the whole ledger', async () => (await client.auditJob(job.id)).step === STEPS);
    await expectExact(job);
    const audit = await client.auditJob(job.id);
    // The last images of an epoch do not fill a step.
    const images = STEPS * 64;
    expect(audit).toMatchObject({ isClean: true, step: STEPS, expected: images, images, problems: [], unknownSteps: 0 });
    expect(audit.workers.length).toBeGreaterThanOrEqual(3);

    const cli = ['--coordinator', cluster.coordinator, 'audit', job.id];
    const printed = await runCli(cli, tmpdir());
    expect(printed).toMatchObject({ code: 0, stderr: '' });
    expect(printed.stdout).toContain('Verdict:  clean: 3 840 samples were due, and each was consumed exactly once\n');
    expect(JSON.parse((await runCli([...cli, '--json'], tmpdir())).stdout)).toEqual(audit);
  },
  TIMEOUT_MS,
);

test(
  'a paused job frees its workers and goes on where it was',
  async () => {
    const job = await submit({});
    await watch(job, hasDone(10));
    await client.pauseJob(job.id);
    const paused = await watch(job, ({ state }) => state === 'paused');
    expect(paused.checkpoints.at(-1)!.step).toBe(paused.progress!.step);
    expect((await client.listWorkers()).map(({ jobId }) => jobId).filter((id) => id !== '')).toEqual([]);
    await client.resumeJob(job.id);
    await expectExact(job);
  },
  TIMEOUT_MS,
);

test(
  'a job whose folder holds the checkpoints of another job ends with what differs, and leaves them as they are',
  async () => {
    const [other] = (await client.listJobs()).filter(({ state }) => state === 'succeeded');
    const foreign = other!.checkpoints.at(-1)!.path;
    const job = await submit({}, LONG);
    await watch(job, hasDone(10));
    await client.pauseJob(job.id);
    const paused = await watch(job, ({ state }) => state === 'paused');
    const folder = dirname(paused.checkpoints.at(-1)!.path);
    await rm(folder, { recursive: true });
    await cp(dirname(foreign), folder, { recursive: true });
    await client.resumeJob(job.id);
    const ended = await watch(job);
    expect(ended.state).toBe('failed');
    expect(ended.message).toContain(`it was written by ${other!.id}, not by ${job.id}; schedule.steps: ${STEPS} there, ${LONG} here`);
    expect(await verifyCheckpoint(join(folder, basename(foreign)))).toMatchObject({ valid: true });
    await expect(client.submitJob({ spec: { ...JSON.parse(ended.specJson), checkpoint: { resumeFrom: foreign } } })).rejects.toThrow(
      `belongs to a different job: schedule.steps: ${STEPS} there, ${LONG} here`,
    );
  },
  TIMEOUT_MS,
);
