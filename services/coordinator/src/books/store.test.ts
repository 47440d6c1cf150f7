import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { planSchedule } from '@maestro/data';
import { type Job, processStart } from '@maestro/protocol';
import { Redis } from 'ioredis';
import { plannedEntry } from '../testing/plannedStep.ts';
import { type RedisProcess, startRedisProcess } from '../testing/redisProcess.ts';
import { until } from '../testing/until.ts';
import { followsIn, joinEntries } from './ledger.ts';
import { openStore, type Store } from './store.ts';

let dir: string;
let server: RedisProcess;
let redis: Redis;
const open: Store[] = [];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-store-'));
  server = await startRedisProcess(dir);
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
  await rm(dir, { recursive: true });
});
beforeEach(() => redis.flushall());
afterEach(() => Promise.all(open.splice(0).map((store) => store.close())));

async function openOne(): Promise<Store> {
  const store = await openStore(await server.connect());
  open.push(store);
  return store;
}
const schedule = planSchedule({ samples: 64, virtualRanks: 2, microBatch: 4, epochs: 4, windowSteps: 4 });
const opening = { jobId: 'job-1', generation: 1, step: 0, firstStep: 0, samples: 64 };
const job = { id: 'job-1', name: 'one' } as Job;
const entry = (step: number, generation = 1) => plannedEntry(schedule, 'job-1', { step, generation });
/** The lease as it is when its holder has died or was cut off. */
const loseLease = () => redis.del('maestro:coordinator');

test('a second coordinator is refused with who holds the Redis, and changes nothing', async () => {
  const first = await openOne();
  await first.announce({ address: '127.0.0.1:7070', http: '127.0.0.1:7080' });
  const before = [await redis.get('maestro:incarnation'), await redis.dbsize()];
  await expect(openOne()).rejects.toMatchObject({
    code: 'conflict',
    message:
      `another coordinator (process ${process.pid} on ${hostname()}, serving 127.0.0.1:7070) is using this Redis; stop it ` +
      'first, or use another Redis for this one',
  });
  expect([await redis.get('maestro:incarnation'), await redis.dbsize()]).toEqual(before);
  await first.saveJob(job);
});

test('the lease of a dead process of this machine is taken over at once, and that of another when it runs out', async () => {
  const script = `import { connectRedis } from '@maestro/redis';
    import { openStore } from ${JSON.stringify(new URL('./store.js', import.meta.url).href)};
    const store = await openStore(await connectRedis(${JSON.stringify(server.url)}, { timeoutMs: 2000 }));
    console.log(store.incarnation);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: new URL('../../..', import.meta.url),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [incarnation] = await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const startedMs = Date.now();
  const second = await openOne();
  expect(Date.now() - startedMs).toBeLessThan(500);
  expect(second.incarnation).toBe(Number(incarnation) + 1);
  // One whose process id is another's by now.
  await second.announce({ address: '127.0.0.1:7070', http: '127.0.0.1:7080' });
  const record = JSON.parse((await redis.get('maestro:coordinator'))!);
  expect(record).toMatchObject({ pid: process.pid, started: processStart(process.pid) });
  await second.close();
  open.splice(0);
  await redis.set('maestro:coordinator', JSON.stringify({ ...record, nonce: 'y', started: '0123456789ab' }), 'PX', 60_000);
  const afterReuse = await openOne();
  expect(afterReuse.incarnation).toBe(second.incarnation + 1);
  await afterReuse.close();
  open.splice(0);

  const holder = { nonce: 'x', pid: 1, host: 'elsewhere', machine: 'elsewhere', address: '', incarnation: 2 };
  const setMs = Date.now();
  await redis.set('maestro:coordinator', JSON.stringify(holder), 'PX', 700);
  const third = await openOne();
  expect(third.incarnation).toBe(4);
  expect(Date.now() - setMs).toBeGreaterThan(650);
});

test('a coordinator that was taken for dead writes nothing more, and is told', async () => {
  const first = await openOne();
  await first.openGeneration(opening);
  await loseLease();
  const second = await openOne();
  await second.saveJob(job);
  await second.commitStep(entry(1));
  const before = await redis.hgetall('maestro:job:job-1:ledger');
  for (const write of [
    () => first.saveJob({ ...job, name: 'late' }),
    () => first.saveRun('job-1', {}),
    () => first.commitStep(entry(2)),
    () => first.openGeneration({ ...opening, generation: 9 }),
    () => first.reserveKey('key', 'job-1'),
    () => first.requireLease(),
    () => first.raiseIncarnation(50),
  ]) {
    await expect(write()).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/^fenced: could not .* has taken over/),
    });
  }
  expect((await first.fenced).message).toContain(`process ${process.pid}`);
  expect(await redis.hgetall('maestro:job:job-1:ledger')).toEqual(before);
  expect(await second.loadJobs()).toEqual([{ job, run: undefined }]);
  await first.close(); // gives back nothing that it does not hold
  open.splice(open.indexOf(first), 1);
  expect(await second.commitStep(entry(2))).toBe('committed');
});

test('of two coordinators that both lost the lease exactly one goes on', async () => {
  const first = await openOne();
  await loseLease();
  const second = await openOne();
  await loseLease();
  const results = await Promise.allSettled([first.requireLease(), second.requireLease()]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
});

test('a holder takes back a lease that Redis has forgotten', async () => {
  const store = await openOne();
  await redis.flushall();
  await store.saveJob(job);
  expect(JSON.parse((await redis.get('maestro:coordinator'))!)).toMatchObject({ pid: process.pid, incarnation: store.incarnation });
  await redis.flushall();
  await until('the lease is there again', async () => (await redis.exists('maestro:coordinator')) === 1);
  expect(Number(await redis.get('maestro:incarnation'))).toBe(store.incarnation);
});

test('incarnations rise at each start, and above what workers remember when asked to', async () => {
  const first = await openOne();
  await first.close();
  const second = await openStore(await server.connect());
  expect(second.incarnation).toBe(first.incarnation + 1);
  await redis.flushall();
  expect(await second.raiseIncarnation(41)).toBe(42);
  expect(second.incarnation).toBe(42);
  await second.close();
  open.splice(0);
  expect((await openOne()).incarnation).toBe(43);
});

test('the ledger takes each step once, in order, and none of an old generation', async () => {
  const store = await openOne();
  expect(await store.commitStep(entry(1))).toBe('gap');
  expect(await redis.exists('maestro:job:job-1:ledger')).toBe(0);
  expect(await store.openGeneration(opening)).toBe(0);
  expect(await store.commitStep(entry(2))).toBe('gap');
  expect(await store.commitStep(entry(1))).toBe('committed');
  const before = await redis.hgetall('maestro:job:job-1:ledger');
  expect(await store.commitStep(entry(1))).toBe('known');
  expect(await store.commitStep(entry(3))).toBe('gap');
  expect(await redis.hgetall('maestro:job:job-1:ledger')).toEqual(before);
  expect(await store.openGeneration({ ...opening, generation: 2, step: 1 })).toBe(1);
  expect(await store.commitStep(entry(2, 1))).toBe('stale');
  expect(await store.commitStep(entry(2, 2))).toBe('committed');
  expect(await store.loadLedger('job-1')).toMatchObject({ step: 2, generation: 2, images: 16, redone: 0, content: 3 });
});

test('steps that are written at once leave the ledger that they leave one by one, and none that is known in part', async () => {
  const store = await openOne();
  const key = 'maestro:job:job-1:ledger';
  const steps = [1, 2, 3, 4].map((step) => entry(step));
  expect(steps.slice(1).map((next, i) => followsIn(steps[i]!, next))).toEqual([true, true, true]);
  expect(followsIn(entry(4), entry(5))).toBe(false); // another window
  expect(followsIn(entry(1), entry(2, 2))).toBe(false);
  await store.openGeneration(opening);
  for (const each of steps) expect(await store.commitStep(each)).toBe('committed');
  const oneByOne = await redis.hgetall(key);
  await redis.del(key);
  await store.openGeneration(opening);
  expect(await store.commitStep(joinEntries(steps.slice(1)))).toBe('gap');
  expect(await store.commitStep(joinEntries(steps.slice(0, 1)))).toBe('committed');
  expect(await store.commitStep(joinEntries(steps))).toBe('gap');
  expect(await store.commitStep(joinEntries(steps.slice(1)))).toBe('committed');
  expect(await store.commitStep(joinEntries(steps.slice(1)))).toBe('known');
  expect(await redis.hgetall(key)).toEqual(oneByOne);
});

test('steps that a new generation does again are counted, once', async () => {
  const store = await openOne();
  await store.openGeneration(opening);
  for (let step = 1; step <= 6; step++) await store.commitStep(entry(step));
  for (let times = 0; times < 2; times++) expect(await store.openGeneration({ ...opening, generation: 2, step: 4 })).toBe(6);
  expect(await store.commitStep(entry(5, 2))).toBe('known');
  expect(await store.loadLedger('job-1')).toMatchObject({ step: 6, redone: 2, images: 48 });
});

test('jobs come back with their runs, oldest first', async () => {
  const store = await openOne();
  for (const id of ['job-2', 'job-1']) await store.saveJob({ ...job, id });
  await store.saveRun('job-2', { phase: 'running' });
  expect(await store.loadJobs()).toEqual([
    { job, run: undefined },
    { job: { ...job, id: 'job-2' }, run: { phase: 'running' } },
  ]);
  expect(await store.reserveKey('key', 'job-1')).toBe('job-1');
  expect(await store.reserveKey('key', 'job-2')).toBe('job-1');
});

test('records that Redis has lost while the connection held are noticed, and one that lost none is let alone', async () => {
  const store = await openOne();
  let times = 0;
  store.onForgotten(() => times++);
  for (const id of ['job-1', 'job-2']) await store.saveJob({ ...job, id });
  await store.saveRun('job-1', {});
  expect(await store.missingJobs()).toEqual([]);
  await redis.hdel('maestro:runs', 'job-1'); // as where Redis evicts
  await until('it is told', () => times === 1);
  expect(await store.missingJobs()).toEqual(['job-1']);
  await store.saveAll([{ job, run: { phase: 'ended' } }]);
  await redis.flushall();
  await until('it is told again', () => times === 2);
  expect(await store.missingJobs()).toEqual(['job-1', 'job-2']);
  await store.saveAll([
    { job, run: {} },
    { job: { ...job, id: 'job-2' }, run: undefined },
  ]);
  expect(await store.missingJobs()).toEqual([]);
  await store.removeJob('job-2');
  expect(await store.loadJobs()).toEqual([{ job, run: {} }]);
});

test('a ledger is put back where there is none, and only there', async () => {
  const store = await openOne();
  await store.openGeneration(opening);
  await store.commitStep(entry(1));
  const fields = await store.readLedgerFields('job-1');
  await redis.flushall();
  expect(await store.withoutLedger(['job-1'])).toEqual(['job-1']);
  await store.restoreLedger('job-1', fields);
  expect(await store.readLedgerFields('job-1')).toEqual(fields);
  expect(await store.commitStep(entry(2))).toBe('committed');
  await store.restoreLedger('job-1', fields);
  expect((await store.ledgerHead('job-1'))!.step).toBe(2);
});
