import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { planSchedule } from '@maestro/data';
import { MaestroError } from '@maestro/protocol';
import { listShardGenerations, openShardQueue } from '@maestro/queue';
import type { RedisConnection } from '@maestro/redis';
import { type RedisProcess, startRedisProcess } from '../testing/redisProcess.ts';
import { until } from '../testing/until.ts';
import { openShardWriter, type ShardWriter } from './shardWriter.ts';

let dir: string;
let server: RedisProcess;
let redis: RedisConnection;
const open: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-writer-'));
  server = await startRedisProcess(dir);
  redis = await server.connect();
});
afterAll(async () => {
  await server.stop();
  await rm(dir, { recursive: true });
});
beforeEach(() => redis.client.flushall());
afterEach(() => Promise.all(open.splice(0).map((one) => one.close())));

const schedule = planSchedule({ samples: 200, virtualRanks: 3, microBatch: 4, epochs: 2, windowSteps: 4 });
function write(options: Partial<Parameters<typeof openShardWriter>[0]> = {}): ShardWriter {
  const writer = openShardWriter({
    redis,
    jobId: 'job-1',
    schedule,
    requireLease: async () => undefined,
    onLeftBehind: (error) => {
      throw error;
    },
    ...options,
  });
  open.push(writer);
  return writer;
}
async function read(generation: number) {
  const queue = await openShardQueue({ redis, jobId: 'job-1', generation, virtualRanks: 3 });
  open.push(queue);
  return queue;
}
/** First steps of all shards of a rank that can be leased. */
async function leasable(generation: number, virtualRank = 0): Promise<number[]> {
  const queue = await read(generation);
  const steps: number[] = [];
  for (let lease = await queue.lease(virtualRank); lease !== undefined; lease = await queue.lease(virtualRank))
    steps.push(lease.shard.firstStep);
  return steps;
}
const generations = () => listShardGenerations(redis, 'job-1');

test('a generation begins with the window of its step and the next one, in queues of its own; older queues go away', async () => {
  const writer = write();
  await writer.openGeneration(1, 0);
  await writer.enqueueAround(4);
  const old = await read(1);
  const lease = (await old.lease(0))!;
  await writer.openGeneration(2, 6);
  expect(await leasable(2)).toEqual([4, 8]);
  await until('the old queues are gone', async () => (await generations()).join() === '2');
  expect(await old.complete(lease)).toBe(false);
  expect(await old.lease(1)).toBeUndefined();
});

test('windows at the end of an epoch and of the run have what is left', async () => {
  const writer = write();
  await writer.openGeneration(1, 13);
  expect(await leasable(1)).toEqual([12, 16]);
  await writer.openGeneration(2, schedule.totalSteps - 1);
  expect(await leasable(2)).toEqual([28]);
  await writer.openGeneration(3, schedule.totalSteps);
  expect(await leasable(3)).toEqual([]);
});

test('a repair deals again what Redis forgot, and nothing twice', async () => {
  const writer = write();
  await writer.openGeneration(1, 0);
  await redis.client.flushall();
  await writer.enqueueAround(1); // it does not know better
  expect(await leasable(1)).toEqual([]);
  await writer.repair(1);
  await writer.repair(1);
  expect(await leasable(1)).toEqual([0, 4]);
});

test('queues that an earlier coordinator left are found and removed, those of other jobs stay', async () => {
  const [first, second] = [write(), write()];
  const other = write({ jobId: 'job-11' });
  await other.openGeneration(1, 0);
  await first.openGeneration(3, 0);
  await second.openGeneration(7, 0);
  await until('the old queues are gone', async () => (await generations()).join() === '7');
  await second.remove();
  expect(await generations()).toEqual([]);
  expect(await listShardGenerations(redis, 'job-11')).toEqual([1]);
});

test('a coordinator without the lease deals nothing and removes nothing', async () => {
  const refuse = async () => {
    throw new MaestroError('conflict', 'fenced: test');
  };
  await write().openGeneration(1, 0);
  const fenced = write({ requireLease: refuse });
  await expect(fenced.openGeneration(2, 0)).rejects.toThrow('fenced');
  await expect(fenced.remove()).rejects.toThrow('fenced');
  expect(await generations()).toEqual([1]);
});

test('a connection that serves many generations keeps nothing of those that are over', async () => {
  const writer = write();
  await writer.openGeneration(1, 0);
  const count = () => redis.client.eventNames().reduce((sum, name) => sum + redis.client.listenerCount(name), 0);
  const before = count();
  for (let generation = 2; generation <= 12; generation++) await writer.openGeneration(generation, 0);
  await until('the old queues are gone', async () => (await generations()).join() === '12');
  expect(count()).toBeLessThanOrEqual(before);
});
