import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { isMaestroError, isTerminal, type Job } from '@maestro/protocol';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { smallJob } from '../support/cluster/smallJob.ts';

const TIMEOUT_MS = 300_000;
/** Enough for workers to change hands while a job runs, on a busy machine too. */
const STEPS = 200;

let dir: string;
let path: string;
let cluster: Cluster;
let client: JobClient;
let reference: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-scheduling-'));
  path = await writeBlobs(join(dir, 'blobs'), { count: 300 });
  cluster = await startCluster({ workers: 2, dataDir: join(dir, 'data'), env: { MAESTRO_FAILURE_TIMEOUT_MS: '2000' } });
  client = connectJobClient(cluster.coordinator);
  reference = hashOf(await watch(await submit({ resources: { maxWorkers: 1 } })));
}, TIMEOUT_MS);

afterAll(async () => {
  client?.close();
  await cluster?.stop();
  await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

function submit({ priority = 0, steps = STEPS, resources }: { priority?: number; steps?: number; resources: object }): Promise<Job> {
  const spec = smallJob({ path, workers: 2, steps, checkpoint: { everySteps: 100 } });
  return client.submitJob({ spec: { ...spec, priority, resources: { virtualRanks: 8, minWorkers: 1, ...resources } } });
}

/** Follows a job until it has ended, or `until` holds; a coordinator that is away comes back. */
async function watch({ id }: Job, until: (job: Job) => boolean = () => false): Promise<Job> {
  for await (const now of client.watchJob(id)) if (until(now) || isTerminal(now.state)) return now;
  throw new Error(`the watch of ${id} ended before the job`);
}

const hasDone =
  (step: number) =>
  ({ progress }: Job): boolean =>
    (progress?.step ?? 0) >= step;

function hashOf(job: Job): string {
  expect([job.state, job.message]).toEqual(['succeeded', `finished after ${STEPS} steps`]);
  return job.checkpoints.at(-1)!.hash;
}

/** The job ends with the reference's bits and a clean ledger. */
async function expectExact(job: Job): Promise<Job> {
  const ended = await watch(job);
  expect(hashOf(ended)).toBe(reference);
  const audit = await client.auditJob(job.id);
  expect(audit.problems).toEqual([]);
  expect(audit).toMatchObject({ isClean: true, step: STEPS, missing: 0, duplicates: 0 });
  return ended;
}

const messages = (job: Job): string => job.events.map(({ message }) => message).join('\n');

test(
  'a job of higher priority has a lower one paused, which goes on by itself afterwards and ends with the same bits',
  async () => {
    const low = await submit({ resources: { minWorkers: 2, maxWorkers: 2 } });
    await watch(low, hasDone(20));
    const high = await submit({ priority: 5, steps: 30, resources: { minWorkers: 2, maxWorkers: 2 } });
    const preempted = `preempted by "${high.name}" (${high.id}) of priority 5`;
    expect(high).toMatchObject({ state: 'queued', message: `waiting: needs 2 cpu workers, 0 free; "${low.name}" (${low.id}) makes way` });

    const paused = await watch(low, ({ state }) => state === 'queued');
    expect(paused.message).toContain(preempted);
    expect(paused.conditions).toContainEqual(expect.objectContaining({ type: 'Scheduled', status: false, reason: 'Preempted' }));
    const running = await watch(high, ({ state }) => state === 'running');
    const waiting = await watch(low, ({ message }) => message.includes('waiting'));
    expect(waiting).toMatchObject({ state: 'queued', message: `${preempted}; waiting: needs 2 cpu workers, 0 free` });
    expect(running.members).toHaveLength(2);

    expect((await watch(high)).state).toBe('succeeded');
    const ended = await expectExact(low);
    expect(ended.checkpoints.map(({ step }) => step)).toContain(paused.progress!.step);
    expect(messages(ended)).toContain(`goes on after it was ${preempted}`);
    expect(ended.stepsRedone).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  'a job that can go on with fewer workers gives up one of them, and takes it back later',
  async () => {
    const wide = await submit({ resources: { maxWorkers: 2 } });
    await watch(wide, (job) => hasDone(20)(job) && job.members.length === 2);
    const next = await submit({ steps: 20, resources: { maxWorkers: 2 } });
    expect(next.message).toBe(`waiting: needs 1 cpu worker, 0 free; "${wide.name}" (${wide.id}) gives up 1 worker`);
    expect((await watch(next)).state).toBe('succeeded');
    const ended = await expectExact(wide);
    expect(messages(ended)).toContain(`worker-b leaves: "${next.name}" (${next.id}) needs them to start`);
    expect(messages(ended)).toContain('worker-b prepares to join');
    expect(messages(ended)).not.toContain('pausing');
  },
  TIMEOUT_MS,
);

test(
  'a job that fails before its first step takes workers from a running one once; the next such job waits, and is told how long',
  async () => {
    // A fault that only a worker can see: nobody asks this server before the job is placed.
    const server = createServer((_request, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const spec = {
      ...smallJob({ path, workers: 1 }),
      name: 'broken',
      data: { format: 'webdataset', path: `http://127.0.0.1:${port}/none` },
    };
    const isOnTwo = ({ members }: Job): boolean => members.filter(({ status }) => status !== 'left').length === 2;
    const wide = await submit({ resources: { maxWorkers: 2 } });
    await watch(wide, (job) => hasDone(10)(job) && isOnTwo(job));
    expect((await watch(await client.submitJob({ spec }))).state).toBe('failed');
    await watch(wide, (job) => job.generation >= 3 && isOnTwo(job));
    const next = await client.submitJob({ spec });
    expect(next.message).toMatch(
      /^waiting: needs 1 cpu worker, 0 free; running jobs of its priority give up none before [\dTZ:.-]+, since a job failed before its first step$/,
    );
    expect((await expectExact(wide)).generation).toBe(3);
    // Free workers it is given at once.
    expect((await watch(next)).state).toBe('failed');
    server.close();
  },
  TIMEOUT_MS,
);

test(
  'a coordinator that is killed while one job makes way for another has both end as they should',
  async () => {
    const low = await submit({ resources: { minWorkers: 2, maxWorkers: 2 } });
    await watch(low, hasDone(20));
    const high = await submit({ priority: 1, steps: 30, resources: { maxWorkers: 2, minWorkers: 2 } });
    await cluster.restart('coordinator');
    expect((await watch(high)).state).toBe('succeeded');
    await expectExact(low);
  },
  TIMEOUT_MS,
);

test('a priority out of bounds is refused', async () => {
  const refused = await submit({ priority: 101, resources: {} }).catch((error: unknown) => error);
  expect(isMaestroError(refused, 'invalid-argument')).toBe(true);
  expect((refused as Error).message).toContain('priority: too big: expected number to be <=100, found 101');
});
