import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connectRedis } from './redisConnection.ts';
import { type RedisServer, startRedisServer } from './redisServer.ts';

const SECRET = 'hunter2-hunter2';
let dir: string;
let server: RedisServer;
let address: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-redis-'));
  server = await startRedisServer({ dir });
  address = server.url.replace('redis://', '');
  const open = await connectRedis(server.url, { timeoutMs: 5000 });
  await open.client.config('SET', 'requirepass', SECRET);
  await open.close();
});
afterAll(async () => {
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

test.each([
  ['no password', () => `redis://${address}`, /NOAUTH.*lacks the password/],
  ['a wrong password', () => `redis://:wrong-${SECRET}@${address}`, /WRONGPASS.*password in the URL is wrong/],
  ['TLS to a plain port', () => `rediss://${address}`, /may not use TLS: use rediss:\/\/ for TLS/],
  ['a port where nothing listens', () => 'redis://127.0.0.1:1', /ECONNREFUSED.*nothing listens there/],
])('%s: the error says what to do', async (_, url, message) => {
  const failed = connectRedis(url(), { timeoutMs: 1000 });
  await expect(failed).rejects.toMatchObject({ code: 'redis-unavailable', message: expect.stringMatching(message) });
  await expect(failed).rejects.not.toMatchObject({ message: expect.stringContaining(SECRET) });
});

test('a URL that is none is refused at once, and not shown', async () => {
  for (const url of [
    `redis//:${SECRET}@host`,
    `redis://:${SECRET}/x@host:1`,
    `redis://:${SECRET}@host:port`,
    `${SECRET}@host`,
    'redis://',
  ]) {
    const failed = connectRedis(url, { timeoutMs: 60_000 });
    await expect(failed).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining('expected redis://host:port'),
    });
    await expect(failed).rejects.not.toMatchObject({ message: expect.stringContaining(SECRET) });
  }
});
