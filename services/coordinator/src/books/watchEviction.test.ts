import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { RedisConnection } from '@maestro/redis';
import { createLogger } from '@maestro/telemetry';
import { type RedisProcess, startRedisProcess } from '../testing/redisProcess.ts';
import { until } from '../testing/until.ts';
import { readEviction, watchEviction } from './watchEviction.ts';

let dir: string;
let server: RedisProcess;
let redis: RedisConnection;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-eviction-'));
  server = await startRedisProcess(dir);
  redis = await server.connect();
});
afterAll(async () => {
  await server.stop();
  await rm(dir, { recursive: true });
});
const lines: string[] = [];
const log = createLogger({ role: 'test', destination: { write: (line) => lines.push(line) } });
const policy = (name: string) => redis.client.config('SET', 'maxmemory-policy', name);

test.each(['allkeys-lru', 'volatile-ttl', 'allkeys-random'])('a Redis with %s is refused, with what to do', async (name) => {
  await policy(name);
  await expect(watchEviction({ redis, isAllowed: false, log })).rejects.toMatchObject({
    code: 'redis-unavailable',
    message: expect.stringMatching(
      new RegExp(`^Redis at 127.0.0.1:\\d+ has the maxmemory-policy ${name}, .*; set it with .*CONFIG SET maxmemory-policy noeviction`),
    ),
  });
});

test('one that is put up with is a risk until its policy is noeviction, and again when that changes', async () => {
  await policy('allkeys-lru');
  const watch = await watchEviction({ redis, isAllowed: readEviction('allow'), log, everyMs: 10 });
  expect(watch.risk()).toContain('has the maxmemory-policy allkeys-lru, so it may evict jobs');
  await policy('noeviction');
  await until('the risk is gone', () => watch.risk() === undefined);
  await policy('volatile-lru');
  await until('the risk is back', () => watch.risk() !== undefined);
  await policy('noeviction');
  watch.close();
  expect(lines.map((line) => (JSON.parse(line) as { level: string; msg: string }).level)).toEqual(['error', 'info', 'error']);
});

test('a setting that is neither is refused', () => {
  expect(readEviction('refuse')).toBe(false);
  expect(() => readEviction('yes')).toThrow('MAESTRO_REDIS_EVICTION: expected refuse or allow, found yes');
});
