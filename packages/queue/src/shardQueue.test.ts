import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { planSchedule, type Shard, shardsOfWindow, windowOfStep } from '@maestro/data';
import { type RedisServer, startRedisServer } from '@maestro/redis';
import { Redis } from 'ioredis';
import { openShardQueue, type ShardQueue } from './shardQueue.ts';

let dir: string;
let server: RedisServer;
let redis: Redis;
const open: ShardQueue[] = [];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-shards-'));
  server = await startRedisServer({ dir });
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
  await rm(dir, { recursive: true });
});
beforeEach(() => redis.flushall());
afterEach(() => Promise.all(open.splice(0).map((queue) => queue.close())));

const schedule = planSchedule({ samples: 4096, virtualRanks: 3, microBatch: 4, epochs: 2, windowSteps: 4 });
const shardsAt = (step: number) => shardsOfWindow(schedule, windowOfStep(schedule, step));

async function connect(options: Partial<Parameters<typeof openShardQueue>[0]> = {}): Promise<ShardQueue> {
  const queue = await openShardQueue({ redis: server.url, jobId: 'job-1', generation: 1, virtualRanks: 3, ...options });
  open.push(queue);
  return queue;
}
const lockOf = (rank: number, shard: Shard) => `maestro:shards-job-1-g1-${rank}:e${shard.epoch}-w${shard.window}:lock`;

test('each rank’s shards are leased in order and completed once', async () => {
  const queue = await connect();
  await queue.enqueue([...shardsAt(0), ...shardsAt(4)]);
  expect(await queue.depth()).toEqual([0, 1, 2].map((virtualRank) => ({ virtualRank, waiting: 2, leased: 0 })));
  const first = await queue.lease(1);
  const second = await queue.lease(1);
  expect(first?.shard).toEqual({ epoch: 0, window: 0, firstStep: 0, steps: 4, virtualRank: 1 });
  expect(second?.shard.firstStep).toBe(4);
  expect(await queue.lease(1)).toBeUndefined();
  expect((await queue.depth())[1]).toEqual({ virtualRank: 1, waiting: 0, leased: 2 });
  expect(await queue.complete(first!)).toBe(true);
  expect(await queue.complete(first!)).toBe(false);
  expect((await queue.depth())[1]).toEqual({ virtualRank: 1, waiting: 0, leased: 1 });
});

test('enqueueing again adds nothing: neither what waits nor what is leased nor what was just completed', async () => {
  const [coordinator, restarted, worker] = [await connect(), await connect(), await connect()];
  await coordinator.enqueue([...shardsAt(0), ...shardsAt(4), ...shardsAt(8)]);
  const first = await worker.lease(0);
  await worker.complete(first!);
  await worker.lease(0);
  await restarted.enqueue([...shardsAt(0), ...shardsAt(4), ...shardsAt(8)]);
  expect((await coordinator.depth())[0]).toEqual({ virtualRank: 0, waiting: 1, leased: 1 });
});

test('a new owner takes a rank’s leases over at once, and the late first owner completes nothing', async () => {
  const [coordinator, first, second] = [await connect(), await connect(), await connect()];
  await coordinator.enqueue([...shardsAt(0), ...shardsAt(4)]);
  const lost = [await first.lease(2), await first.lease(2)];
  const taken = await second.takeOver(2);
  expect(taken).toEqual(lost);
  expect(await second.complete(taken[0]!)).toBe(true);
  expect(await first.complete(lost[0]!)).toBe(false);
  await expect(first.extend([lost[0]!])).rejects.toMatchObject({
    code: 'conflict',
    message: 'shard e0-w0 of virtual rank 2 of job-1 is no longer leased',
  });
  await second.extend([taken[1]!]);
  expect(await second.takeOver(0)).toEqual([]);
});

test('of two who complete a shard at the same moment exactly one does', async () => {
  const [coordinator, a, b] = [await connect(), await connect(), await connect()];
  for (let step = 0; step < 80; step += 4) {
    await coordinator.enqueue(shardsAt(step));
    const lease = (await a.lease(0))!;
    const done = await Promise.all([a.complete(lease), b.complete(lease)]);
    expect(done.filter(Boolean)).toHaveLength(1);
  }
});

test('a lease survives its lock: expired, it is given to nobody, and its owner goes on', async () => {
  const queue = await connect({ lockMs: 1 });
  await queue.enqueue(shardsAt(0));
  const lease = (await queue.lease(0))!;
  await redis.del(lockOf(0, lease.shard)); // as if expired
  expect(await queue.lease(0)).toBeUndefined();
  const renewed = await connect();
  await renewed.extend([lease]);
  expect(await redis.pttl(lockOf(0, lease.shard))).toBeGreaterThan(20_000);
  await redis.del(lockOf(0, lease.shard));
  expect(await renewed.complete(lease)).toBe(true);
});

test('extending renews the lock under the token of job and rank', async () => {
  const queue = await connect({ lockMs: 60_000 });
  await queue.enqueue(shardsAt(0));
  const lease = (await queue.lease(1))!;
  await redis.pexpire(lockOf(1, lease.shard), 5000);
  await queue.extend([lease]);
  expect(await redis.pttl(lockOf(1, lease.shard))).toBeGreaterThan(50_000);
  expect(await redis.get(lockOf(1, lease.shard))).toBe('job-1/1');
});

test('clearing a job rewinds it: everything is gone, leases end, and shards can be enqueued anew', async () => {
  const [queue, other] = [await connect(), await connect({ jobId: 'job-2' })];
  await other.enqueue(shardsAt(0));
  await queue.enqueue([...shardsAt(0), ...shardsAt(4)]);
  const done = (await queue.lease(0))!;
  await queue.complete(done);
  const stale = (await queue.lease(0))!;
  await queue.clear();
  expect(await queue.depth()).toEqual([0, 1, 2].map((virtualRank) => ({ virtualRank, waiting: 0, leased: 0 })));
  expect(await queue.complete(stale)).toBe(false);
  await queue.enqueue(shardsAt(0));
  expect((await queue.lease(0))?.shard.firstStep).toBe(0);
  expect((await other.depth())[0]).toEqual({ virtualRank: 0, waiting: 1, leased: 0 });
});

test('memory in Redis does not grow with the windows done, before and after a rewind', async () => {
  const queue = await connect();
  const work = async (windows: number) => {
    for (let window = 0; window < windows; window++) {
      await queue.enqueue([{ epoch: 0, window, firstStep: window * 4, steps: 4, virtualRank: 0 }]);
      await queue.complete((await queue.lease(0))!);
    }
  };
  for (let round = 0; round < 2; round++) {
    await work(150);
    const before = await sizeOfRedis();
    await work(300);
    const after = await sizeOfRedis();
    expect(after.keys).toBeLessThanOrEqual(before.keys);
    expect(after.events).toBeLessThan(300);
    await queue.clear();
  }

  async function sizeOfRedis() {
    return { keys: await redis.dbsize(), events: await redis.xlen('maestro:shards-job-1-g1-0:events') };
  }
});

test('without Redis a call fails by its deadline with address and reason, and works again once Redis is back', async () => {
  await expect(connect({ redis: 'redis://127.0.0.1:1', timeoutMs: 300 })).rejects.toMatchObject({
    code: 'redis-unavailable',
    message: expect.stringMatching(/could not connect: Redis at 127\.0\.0\.1:1: .*ECONNREFUSED/),
  });
  const away = join(dir, 'away');
  const first = await startRedisServer({ dir: away });
  const queue = await connect({ redis: first.url, timeoutMs: 300 });
  await queue.enqueue(shardsAt(0));
  await first.stop();
  await expect(queue.depth()).rejects.toMatchObject({
    code: 'redis-unavailable',
    message: expect.stringContaining('could not count shards'),
  });
  const second = await startRedisServer({ dir: away, port: Number(new URL(first.url).port) });
  const deadline = Date.now() + 20_000;
  let leased: unknown;
  while (leased === undefined && Date.now() < deadline) leased = await queue.lease(0).catch(() => undefined);
  expect(leased).toMatchObject({ shard: { virtualRank: 0, firstStep: 0 } });
  await queue.close();
  open.splice(open.indexOf(queue), 1);
  await second.stop();
});
