import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Cluster, startCluster } from '@maestro/cli';
import { connectJobClient, type JobClient } from '@maestro/client';
import { type RedisServer, startRedisServer } from '@maestro/data';
import { isTerminal, type Job } from '@maestro/protocol';
import { writeBlobs } from '../support/blobs.ts';
import { redisPid } from '../support/redisPid.ts';
import { runCli } from '../support/runCli.ts';
import { smallJob } from '../support/smallJob.ts';

const TIMEOUT_MS = 300_000;
const STEPS = 60;

let dir: string;
let path: string;
let redis: RedisServer;
let cluster: Cluster;
let client: JobClient;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-redis-away-'));
  path = await writeBlobs(join(dir, 'blobs'), { count: 300 });
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

/** Trains, and calls `at` once when the job has come to `step`. */
async function train(step: number, at: () => Promise<void> = async () => undefined): Promise<Job> {
  const { id } = await client.submitJob({ spec: smallJob({ path, workers: 2, steps: STEPS, schedule: { lastBatch: 'keep' } }) });
  let isDone = false;
  for await (const job of client.watchJob(id)) {
    if (!isDone && (job.progress?.step ?? 0) >= step) {
      isDone = true;
      await at();
    }
    if (isTerminal(job.state)) return job;
  }
  throw new Error(`the watch of ${id} ended before the job`);
}

test(
  'Redis is killed with -9 during a job and comes back: the job ends with the same bits, and its audit is clean',
  async () => {
    const undisturbed = await train(0);
    const disturbed = await train(STEPS / 4, async () => {
      process.kill(await redisPid(redis.url), 'SIGKILL');
      await redis.stop();
      redis = await startRedisServer({ dir: join(dir, 'redis'), port: Number(new URL(redis.url).port) });
    });
    expect([disturbed.state, disturbed.message]).toEqual(['succeeded', `finished after ${STEPS} steps`]);
    expect(disturbed.checkpoints.at(-1)!.hash).toBe(undisturbed.checkpoints.at(-1)!.hash);

    // The last steps may still be on their way into the ledger.
    const deadline = Date.now() + 20_000;
    while ((await client.auditJob(disturbed.id)).step < STEPS) expect(Date.now()).toBeLessThan(deadline);
    const audit = await client.auditJob(disturbed.id);
    expect(audit).toMatchObject({ isClean: true, step: STEPS, expected: 12 * 300, images: 12 * 300, problems: [], unknownSteps: 0 });
    expect(audit.workers.map(({ id }) => id.split(':')[0]).sort()).toEqual(['worker-a', 'worker-b']);

    const cli = ['--coordinator', cluster.coordinator, 'audit', disturbed.id];
    const printed = await runCli(cli, dir);
    expect(printed).toMatchObject({ code: 0, stderr: '' });
    expect(printed.stdout).toContain('Verdict:  clean: 3 600 samples were due, and each was taken exactly once\n');
    expect(JSON.parse((await runCli([...cli, '--json'], dir)).stdout)).toEqual(audit);
  },
  TIMEOUT_MS,
);
