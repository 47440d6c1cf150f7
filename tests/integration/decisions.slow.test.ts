import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, type JobRecord, recordJob, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { isTerminal } from '@maestro/protocol';
import { connectRedis, type RedisServer, startRedisServer } from '@maestro/redis';
import { writeBlobs } from '../support/cluster/blobs.ts';
import { smallJob } from '../support/cluster/smallJob.ts';
import { eventually } from '../support/eventually.ts';

const TIMEOUT_MS = 300_000;
const PATIENCE_MS = 60_000;

let dir: string;
let redis: RedisServer;
let cluster: Cluster;
let client: JobClient;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-decisions-'));
  redis = await startRedisServer({ dir: join(dir, 'redis') });
  cluster = await startCluster({ workers: 2, dataDir: join(dir, 'data'), redisUrl: redis.url });
  client = connectJobClient(cluster.coordinator);
}, TIMEOUT_MS);

afterAll(async () => {
  client?.close();
  await cluster?.stop();
  await redis?.stop();
  await rm(dir, { recursive: true, force: true });
}, TIMEOUT_MS);

async function submit(steps: number): Promise<JobRecord> {
  const path = await writeBlobs(join(dir, 'blobs'), { count: 300 });
  const { id } = await client.submitJob({ spec: smallJob({ path, workers: 2, steps }) });
  return recordJob(cluster.coordinator, id);
}

const end = (record: JobRecord) => record.until('its end', ({ state }) => isTerminal(state), { timeoutMs: PATIENCE_MS });
const atStep = (record: JobRecord, step: number) =>
  record.until(`step ${step}`, ({ progress }) => (progress?.step ?? 0) >= step, { timeoutMs: PATIENCE_MS });

/** A new client: the channel of the old one waits longer and longer for a coordinator that was killed. */
function reconnect(): void {
  client.close();
  client = connectJobClient(cluster.coordinator);
}

test(
  'a cancel that Redis does not have is not confirmed, and is lost with the coordinator without a trace: the job ends exact',
  async () => {
    const undisturbed = await submit(200);
    const reference = await end(undisturbed);
    await undisturbed.close();

    const record = await submit(200);
    const { id } = await atStep(record, 20);
    process.kill(redis.pid, 'SIGSTOP');
    // What is sent to a process that stands still is read by it later: the cancel must have to wait behind a step that was sent.
    const { step } = (await client.getJob(id)).progress!;
    await eventually('two more steps', async () => (await client.getJob(id)).progress!.step > step + 1);
    await expect(client.cancelJob(id)).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('not persisted') });
    expect((await client.getJob(id)).message).not.toContain('cancelled');
    cluster.kill('coordinator');
    await cluster.ended('coordinator');
    process.kill(redis.pid, 'SIGCONT');
    await cluster.restart('coordinator');
    reconnect();
    const ended = await end(record);
    expect(ended).toMatchObject({ state: 'succeeded', stepsRedone: 0 });
    expect(ended.checkpoints.at(-1)!.hash).toBe(reference.checkpoints.at(-1)!.hash);
    // Its workers were told nothing: they are the same view's all the time.
    expect(ended.generation).toBe(1);
    expect((await client.auditJob(id)).problems).toEqual([]);
    await record.close();
  },
  TIMEOUT_MS,
);

test(
  'a cancel that was confirmed outlives the coordinator that dies with it',
  async () => {
    const record = await submit(100_000);
    const { id } = await atStep(record, 20);
    await client.cancelJob(id);
    cluster.kill('coordinator');
    await cluster.restart('coordinator');
    reconnect();
    const ended = await end(record);
    expect(ended.state).toBe('cancelled');
    await record.close();
  },
  TIMEOUT_MS,
);

test(
  'an emptied Redis loses no job: not under a coordinator that runs, and not with one that starts on it',
  async () => {
    const blobs = await writeBlobs(join(dir, 'blobs'), { count: 300 });
    const undisturbed = await submit(60);
    const done = await end(undisturbed);
    await undisturbed.close();
    const request = { spec: smallJob({ path: blobs, workers: 5 }), idempotencyKey: 'waits' };
    const queued = await client.submitJob(request);
    const record = await submit(60);
    const { id } = await atStep(record, 10);

    const connection = await connectRedis(redis.url, { timeoutMs: 10_000 });
    const direct = connection.client;
    const before = await direct.hkeys('maestro:jobs');
    await direct.flushall(); // no connection breaks
    await eventually('the records are there again', async () => (await direct.hlen('maestro:jobs')) === before.length);
    const ended = await end(record);
    await record.close();
    expect(ended.state).toBe('succeeded');
    expect(ended.checkpoints.at(-1)!.hash).toBe(done.checkpoints.at(-1)!.hash);
    expect(await client.auditJob(id)).toMatchObject({ isClean: true, step: 60, unknownSteps: 0 });
    await eventually('the ledger is kept', async () => {
      const names = await readdir(join(dir, 'data/records'));
      return names.includes(`${id}.ledger.json`);
    });

    cluster.kill('coordinator');
    await cluster.ended('coordinator');
    await direct.flushall();
    await cluster.restart('coordinator');
    reconnect();
    expect((await client.listJobs()).map((job) => job.id).sort()).toEqual(before.sort());
    for (const job of [done, ended]) {
      expect(await client.getJob(job.id)).toMatchObject({ state: 'succeeded', message: job.message, checkpoints: job.checkpoints });
      expect(await client.auditJob(job.id)).toMatchObject({ isClean: true, step: 60, problems: [] });
    }
    // The queue goes on where it was, and the key still belongs to its job.
    expect((await client.submitJob(request)).id).toBe(queued.id);
    expect((await client.getJob(queued.id)).message).toContain('needs 5 cpu workers');
    await connection.close();
  },
  TIMEOUT_MS,
);

test(
  'of jobs that have ended the newest are kept; one that is retired still answers to its id, audited and all',
  async () => {
    const [oldest, ...others] = (await client.listJobs()).filter(({ state }) => isTerminal(state)).reverse();
    expect(others.length).toBeGreaterThan(2);
    const audit = await client.auditJob(oldest!.id);
    await cluster.restart('coordinator', { env: { MAESTRO_KEEP_JOBS: '2' } });
    reconnect();
    const listed = async () => (await client.listJobs()).filter(({ state }) => isTerminal(state)).map(({ id }) => id);
    await eventually('two are kept', async () => (await listed()).length === 2);
    expect(await listed()).toEqual(
      others
        .slice(-2)
        .reverse()
        .map(({ id }) => id),
    );
    const connection = await connectRedis(redis.url, { timeoutMs: 10_000 });
    expect(await connection.client.hexists('maestro:jobs', oldest!.id)).toBe(0);
    expect(await connection.client.exists(`maestro:job:${oldest!.id}:ledger`)).toBe(0);
    await connection.close();

    expect(await client.getJob(oldest!.id)).toMatchObject({
      state: oldest!.state,
      message: oldest!.message,
      checkpoints: oldest!.checkpoints,
    });
    expect(await client.auditJob(oldest!.id)).toEqual({ ...audit, ledgerBytes: 0 });
    expect((await client.cancelJob(oldest!.id)).state).toBe(oldest!.state);
    const page = await (await fetch(`http://${cluster.http}/api/v1/jobs/${oldest!.id}`)).json();
    expect(page).toMatchObject({ id: oldest!.id, state: oldest!.state });
    expect((await client.listJobs()).map(({ id }) => id)).not.toContain(oldest!.id);
    await expect(client.getJob(`${oldest!.id.slice(0, -1)}`)).rejects.toThrow('older ones need their full id');
  },
  TIMEOUT_MS,
);
