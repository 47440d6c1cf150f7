import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { planSchedule, shardsOfWindow, windowOfStep } from '@maestro/data';
import { openShardQueue, type ShardQueue } from '@maestro/queue';
import { connectRedis, type RedisConnection, type RedisServer, startRedisServer } from '@maestro/redis';
import { openShardReader, type ShardReader } from './shardReader.ts';

const schedule = planSchedule({ samples: 400, virtualRanks: 4, microBatch: 2, epochs: 2, windowSteps: 4 });

let dir: string;
let server: RedisServer | undefined;
let connection: RedisConnection;
let coordinator: ShardQueue;
let queue: ShardQueue;
const open: ShardReader[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-reader-'));
  server = await startRedisServer({ dir });
  connection = await connectRedis(server.url, { timeoutMs: 300 });
  const of = { jobId: 'job-1', generation: 2, virtualRanks: 4, redis: connection };
  [coordinator, queue] = [await openShardQueue(of), await openShardQueue(of)];
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((reader) => reader.close()));
  await connection.close();
  await server?.stop();
  await rm(dir, { recursive: true });
});

/** Redis ends at once, and comes back on the same port with its data. */
async function killRedis(): Promise<() => Promise<void>> {
  const pid = Number(/process_id:(\d+)/.exec(await connection.client.info('server'))![1]);
  const port = Number(new URL(server!.url).port);
  process.kill(pid, 'SIGKILL');
  await server!.stop();
  server = undefined;
  return async () => {
    server = await startRedisServer({ dir, port });
  };
}
const deal = (...steps: number[]) => coordinator.enqueue(steps.flatMap((step) => shardsOfWindow(schedule, windowOfStep(schedule, step))));

function read(options: Partial<Parameters<typeof openShardReader>[0]> = {}) {
  const waits: (string | undefined)[] = [];
  const reader = openShardReader({
    queue,
    schedule,
    virtualRanks: [1, 2],
    onWaiting: (reason) => waits.push(reason),
    noticeMs: 20,
    signal: new AbortController().signal,
    ...options,
  });
  open.push(reader);
  return { reader, waits };
}
async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
const depthOf = async (rank: number) => {
  const { waiting, leased } = (await coordinator.depth())[rank]!;
  return { waiting, leased };
};

test('windows are leased ahead and completed behind, for the member’s ranks alone', async () => {
  await deal(0, 4);
  const { reader, waits } = read();
  for (let step = 0; step < 4; step++) {
    await reader.enter(step);
    reader.leave(step);
  }
  await until('the next window is leased and the first completed', async () => (await depthOf(1)).leased === 1);
  expect(await depthOf(1)).toEqual({ waiting: 0, leased: 1 });
  expect(await depthOf(0)).toEqual({ waiting: 2, leased: 0 });
  await reader.enter(4);
  expect(waits).toEqual([]);
});

test('a view that begins within a window enters it, and passes over windows that are older', async () => {
  await deal(0, 4, 8);
  const { reader } = read();
  await reader.enter(9);
  await until('old windows are completed', async () => (await depthOf(2)).leased === 1);
  expect(await depthOf(2)).toEqual({ waiting: 0, leased: 1 });
});

test('a shard that is not enqueued is waited for, and its name is told; the wait ends with the shard', async () => {
  const { reader, waits } = read();
  const entering = reader.enter(0);
  await until('the wait is told', () => waits.length > 0);
  expect(waits[0]).toMatch(/^shard e0-w0 of virtual rank [12] is not enqueued yet$/);
  await deal(0);
  await entering;
  expect(waits.at(-1)).toBeUndefined();
});

test('the wait ends with the signal, and with the reader', async () => {
  const aborter = new AbortController();
  const waiting = read({ signal: aborter.signal }).reader.enter(0);
  aborter.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  const { reader } = read();
  const closed = reader.enter(0);
  await reader.close();
  await expect(closed).rejects.toMatchObject({ code: 'cancelled' });
});

test('while Redis is away steps go on as far as leases reach, then wait, and nothing is thrown', async () => {
  await deal(0, 4, 8);
  const { reader, waits } = read();
  await reader.enter(0);
  await until('the next window is leased', async () => (await depthOf(1)).leased === 2 && (await depthOf(2)).leased === 2);
  const restart = await killRedis();
  for (let step = 0; step < 8; step++) {
    await reader.enter(step);
    reader.leave(step);
  }
  const entering = reader.enter(8);
  await until('the wait is told', () => waits.length > 0);
  expect(waits[0]).toMatch(/Redis at 127\.0\.0\.1:\d+: .*(ECONNREFUSED|trying to reconnect)/);
  await restart();
  await entering;
  expect(waits.at(-1)).toBeUndefined();
  await until('what was done is completed', async () => (await depthOf(1)).leased === 1);
  expect((await depthOf(2)).waiting).toBe(0);
});

test('a Redis that forgot everything holds up only until the shards are enqueued again', async () => {
  await deal(0, 4);
  const { reader } = read();
  await reader.enter(0);
  await connection.client.flushall();
  for (let step = 0; step < 4; step++) reader.leave(step);
  await deal(0, 4); // the first of them is done, and is passed over
  await reader.enter(4);
  await deal(8);
  for (let step = 4; step < 8; step++) reader.leave(step);
  await reader.enter(8);
  await until('all before is completed', async () => (await depthOf(1)).waiting === 0 && (await depthOf(1)).leased === 1);
});

test.each([1, 2])('of %i leases whose answers were lost each is found again', async (lost) => {
  await deal(0, 4);
  for (let i = 0; i < lost; i++) await queue.lease(1); // leased under the rank's token, but nobody heard of it
  const { reader } = read();
  await reader.enter(0);
  await reader.enter(4);
});

test('close does not wait for an absent Redis', async () => {
  await deal(0);
  const { reader } = read();
  await reader.enter(0);
  const restart = await killRedis();
  for (let step = 0; step < 4; step++) reader.leave(step);
  const startedMs = Date.now();
  await reader.close();
  expect(Date.now() - startedMs).toBeLessThan(100);
  await restart();
});
