import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { planSchedule } from '@maestro/data';
import type { Job } from '@maestro/protocol';
import type { RedisConnection } from '@maestro/redis';
import { createLogger } from '@maestro/telemetry';
import { auditLedger } from '../audit/audit.ts';
import { plannedStep } from '../testing/plannedStep.ts';
import { type RedisProcess, startRedisProcess } from '../testing/redisProcess.ts';
import { until } from '../testing/until.ts';
import { type Bookkeeper, type BookkeeperOptions, openBookkeeper } from './bookkeeper.ts';
import { openShardWriter } from './shardWriter.ts';
import { openStore, type Store } from './store.ts';

const schedule = planSchedule({ samples: 330, virtualRanks: 4, microBatch: 2, epochs: 30, windowSteps: 8 });
const JOB = 'job-1';
const DRAIN_MS = 20_000;
const log = createLogger({ role: 'test', level: 'silent' });

let dir: string;
let redis: RedisProcess;
let connection: RedisConnection;
let store: Store;
const open: Bookkeeper[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-books-'));
  redis = await startRedisProcess(join(dir, 'redis'));
  connection = await redis.connect();
  store = await openStore(connection);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((books) => books.close()));
  await store.close();
  await redis.stop();
  await rm(dir, { recursive: true });
});

function keepBooks(options: Partial<BookkeeperOptions> = {}): Bookkeeper & { readonly acknowledged: number[] } {
  const acknowledged: number[] = [];
  const books = openBookkeeper({
    store,
    openShards: (jobId, plan) =>
      openShardWriter({
        redis: connection,
        jobId,
        schedule: plan,
        requireLease: store.requireLease,
        onLeftBehind: () => undefined,
      }),
    jobId: JOB,
    seed: 0,
    onAcknowledged: (step) => acknowledged.push(step),
    log,
    ...options,
  });
  open.push(books);
  books.plan(schedule);
  return Object.defineProperty(books, 'acknowledged', { value: acknowledged }) as Bookkeeper & { readonly acknowledged: number[] };
}
const report = (step: number, generation = 1, workers = ['a', 'b']) => plannedStep(schedule, { step, generation, workers });
const audited = async (from = store) => auditLedger({ schedule, seed: 0, ledger: (await from.loadLedger(JOB))!, dueStep: 0 });
const job = (name: string) => ({ id: JOB, name }) as Job;

test('steps are acknowledged in order, records and shards follow, and finished epochs become one row', async () => {
  const books = keepBooks();
  books.openGeneration(1, 0);
  for (let step = 1; step <= 100; step++) {
    books.commit(report(step));
    books.enqueueAround(step);
    books.saveJob(job(`at ${step}`));
    books.saveRun({ step });
  }
  expect(await books.drain(DRAIN_MS)).toBe(true);
  expect(books.acknowledgedStep).toBe(100);
  expect(books.acknowledged).toEqual(books.acknowledged.toSorted((a, b) => a - b));
  expect(await store.loadJobs()).toEqual([{ job: job('at 100'), run: { step: 100 } }]);
  expect(await audited()).toMatchObject({ isClean: true, step: 100 });
  expect((await store.loadLedger(JOB))!.epochs.map(({ epoch }) => epoch)).toEqual([0, 1]);
  expect(await connection.client.keys(`maestro:shards-${JOB}-g1-0:e2-w*`)).toHaveLength(2);
  books.removeShards();
  expect(await books.drain(DRAIN_MS)).toBe(true);
  expect(await connection.client.keys(`maestro:shards-${JOB}-*`)).toEqual([]);
});

test('the ledger of a long job stays small: rows of one epoch, and a line for each finished one', async () => {
  const books = keepBooks();
  books.openGeneration(1, 0);
  for (let step = 1; step <= 30 * 41; step++) books.commit(report(step));
  expect(await books.drain(DRAIN_MS)).toBe(true);
  expect((await store.loadLedger(JOB))!.shards).toEqual([]);
  expect(await store.ledgerBytes(JOB)).toBeLessThan(30 * 700);
  expect(await audited()).toMatchObject({ isClean: true, step: 1230 });
});

test('reports may come in any order, and twice', async () => {
  const books = keepBooks();
  books.openGeneration(1, 0);
  for (const step of [3, 5, 1, 2, 1, 6, 4, 3]) books.commit(report(step));
  expect(await books.drain(DRAIN_MS)).toBe(true);
  books.commit(report(2));
  expect(books.acknowledged.at(-1)).toBe(6);
  expect(await audited()).toMatchObject({ isClean: true, step: 6, unknownSteps: 0 });
});

test('a view that starts behind the ledger does steps again, and one that starts ahead has them entered as unknown', async () => {
  const books = keepBooks();
  books.openGeneration(1, 0);
  for (let step = 1; step <= 10; step++) books.commit(report(step));
  books.openGeneration(2, 6);
  for (let step = 7; step <= 12; step++) books.commit(report(step, 2));
  books.commit(report(15, 2)); // 13 and 14 were lost with their member
  books.openGeneration(3, 16);
  books.commit(report(17, 3));
  expect(await books.drain(DRAIN_MS)).toBe(true);
  expect(await audited()).toMatchObject({ isClean: true, step: 17, redoneSteps: 4, unknownSteps: 3, generation: 3 });
});

test('a report that waits too long for one before it does not wait for ever', async () => {
  const books = keepBooks({ gapMs: 100 });
  books.openGeneration(1, 0);
  books.commit(report(1));
  books.commit(report(4));
  await until('the gap is closed', () => books.acknowledgedStep === 4);
  expect(await audited()).toMatchObject({ isClean: true, unknownSteps: 2 });
});

test('Redis is killed while commits flow, twice: nothing is lost, all is in order, and the problem is told meanwhile', async () => {
  const books = keepBooks();
  books.openGeneration(1, 0);
  let step = 0;
  const flow = (until: number) => {
    while (step < until) books.commit(report(++step));
  };
  for (const outage of [1, 2]) {
    flow(step + 150);
    await until('commits flow', () => books.acknowledgedStep >= step - 75);
    await redis.kill();
    flow(step + 150);
    books.saveJob(job(`during outage ${outage}`));
    books.saveRun({ outage });
    await until('the problem is told', () => books.problem() !== undefined);
    expect(books.problem()).toMatch(/^\d+ steps wait to be written to the ledger since .*Z: /);
    await redis.start();
    flow(step + 50);
    expect(await books.drain(DRAIN_MS)).toBe(true);
    expect(books.problem()).toBeUndefined();
    expect(books.acknowledgedStep).toBe(step);
    expect(await audited()).toMatchObject({ isClean: true, step, unknownSteps: 0 });
    expect(await store.loadJobs()).toEqual([{ job: job(`during outage ${outage}`), run: { outage } }]);
  }
});

test('what Redis forgot is written forward from memory: steps, generation, epochs, records, lease and shards', async () => {
  const books = keepBooks();
  books.openGeneration(1, 0);
  for (let step = 1; step <= 30; step++) books.commit(report(step));
  books.saveJob(job('early'));
  expect(await books.drain(DRAIN_MS)).toBe(true);
  await connection.client.config('SET', 'appendfsync', 'always');
  await connection.client.set('synced', 1);
  await cp(redis.dir, join(dir, 'copy'), { recursive: true });

  for (let step = 31; step <= 60; step++) books.commit(report(step));
  books.openGeneration(2, 55);
  for (let step = 56; step <= 90; step++) books.commit(report(step, 2, ['b', 'c', 'd']));
  books.enqueueAround(90);
  books.saveJob(job('late'));
  books.saveRun({ generation: 2 });
  expect(await books.drain(DRAIN_MS)).toBe(true);
  const before = await store.loadLedger(JOB);
  const { incarnation } = store;

  await redis.kill();
  await rm(redis.dir, { recursive: true });
  await cp(join(dir, 'copy'), redis.dir, { recursive: true });
  await redis.start();
  await until('the ledger is whole again', async () => (await store.ledgerHead(JOB).catch(() => undefined))?.step === 90);
  expect(await books.drain(DRAIN_MS)).toBe(true);
  expect(await store.loadLedger(JOB)).toEqual(before);
  expect(await audited()).toMatchObject({ isClean: true, step: 90, redoneSteps: 5, unknownSteps: 0 });
  expect(await store.loadJobs()).toEqual([{ job: job('late'), run: { generation: 2 } }]);
  expect(await connection.client.keys(`maestro:shards-${JOB}-g2-3:e2-w*`)).toHaveLength(2);
  await store.requireLease();
  expect(Number(await connection.client.get('maestro:incarnation'))).toBe(incarnation);
});

test('a Redis that lost everything gets it back, as far as memory reaches', async () => {
  const books = keepBooks({ keptSteps: 50 });
  books.openGeneration(1, 0);
  for (let step = 1; step <= 120; step++) books.commit(report(step));
  books.saveJob(job('one'));
  expect(await books.drain(DRAIN_MS)).toBe(true);
  await redis.kill();
  await rm(redis.dir, { recursive: true });
  await redis.start();
  for (let step = 121; step <= 130; step++) books.commit(report(step));
  await until('the ledger is whole again', async () => (await store.ledgerHead(JOB).catch(() => undefined))?.step === 130);
  expect(await books.drain(DRAIN_MS)).toBe(true);
  expect(await audited()).toMatchObject({ isClean: true, step: 130, unknownSteps: 70 });
});

test('a coordinator that starts anew goes on from the ledger, with the reports that workers kept', async () => {
  const first = keepBooks();
  first.openGeneration(1, 0);
  for (let step = 1; step <= 20; step++) first.commit(report(step));
  expect(await first.drain(DRAIN_MS)).toBe(true);
  await first.close();
  await store.close();
  store = await openStore(connection);

  const second = keepBooks();
  for (let step = 15; step <= 26; step++) second.commit(report(step));
  second.openGeneration(2, 26);
  second.commit(report(27, 2));
  expect(await second.drain(DRAIN_MS)).toBe(true);
  expect(second.acknowledged.at(-1)).toBe(27);
  expect(await audited()).toMatchObject({ isClean: true, step: 27, unknownSteps: 0, redoneSteps: 0 });
});

test('the queues of a job that has ended stay away when Redis comes back', async () => {
  const books = keepBooks();
  books.openGeneration(1, 0);
  books.commit(report(1));
  books.removeShards();
  expect(await books.drain(DRAIN_MS)).toBe(true);
  await redis.kill();
  await redis.start();
  books.commit(report(2));
  await until('the bookkeeper goes on', () => books.acknowledgedStep === 2);
  expect(await books.drain(DRAIN_MS)).toBe(true);
  expect(await connection.client.keys(`maestro:shards-${JOB}-*`)).toEqual([]);
});

test('a bookkeeper whose coordinator is fenced ends, says so, and has written nothing more', async () => {
  const books = keepBooks();
  books.openGeneration(1, 0);
  books.commit(report(1));
  expect(await books.drain(DRAIN_MS)).toBe(true);
  await connection.client.del('maestro:coordinator');
  const other = await openStore(await redis.connect());
  books.commit(report(2));
  await store.fenced;
  expect(await books.drain(DRAIN_MS)).toBe(false);
  expect(books.problem()).toContain('fenced: ');
  expect(await other.ledgerHead(JOB)).toMatchObject({ step: 1 });
  await other.close();
});
