import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connectRedis, type RedisConnection, type RedisServer, startRedisServer } from '@maestro/redis';
import { openContentTable } from './contentTable.ts';

let dir: string;
let server: RedisServer;
let redis: RedisConnection;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-contents-'));
  server = await startRedisServer({ dir });
  redis = await connectRedis(server.url, { timeoutMs: 10_000 });
});

afterAll(async () => {
  await redis?.close();
  await server?.stop();
  await rm(dir, { recursive: true, force: true });
});

const readings = (...pairs: [sample: number, content: number][]): Float64Array => Float64Array.from(pairs.flat());
const open = (name: string, reader: string) => openContentTable({ redis, name, reader });

test('the first reading of a sample counts; a later one that differs is told with both hashes and the first reader', async () => {
  const [a, b] = [open('first', 'worker-a'), open('first', 'worker-b')];
  const largest = 2 ** 52 - 1;
  // Samples 2^20 - 1 and 2^20 lie under two keys.
  expect(await a.compare(readings([7, largest], [2 ** 20 - 1, 1], [2 ** 20, 2]))).toEqual([]);
  expect(await b.compare(readings([7, largest], [8, 5], [2 ** 20, 2]))).toEqual([]);
  expect(await a.compare(readings([8, 6], [2 ** 20 - 1, 1], [7, largest]))).toEqual([
    { sample: 8, found: 6, first: 5, firstReader: 'worker-b' },
  ]);
  expect(await b.compare(readings([2 ** 20, 3], [9, 9], [7, 4]))).toEqual([
    { sample: 2 ** 20, found: 3, first: 2, firstReader: 'worker-a' },
    { sample: 7, found: 4, first: largest, firstReader: 'worker-a' },
  ]);
  // It stays what it was first.
  expect(await b.compare(readings([8, 5], [9, 9]))).toEqual([]);
});

test('tables of different names know nothing of each other, until one takes the other over', async () => {
  const parent = open('parent', 'worker-a');
  await parent.compare(readings([1, 11], [2, 12]));
  const child = open('child', 'worker-b');
  await child.inherit('parent', 100);
  expect(await child.compare(readings([1, 99], [3, 13]))).toEqual([{ sample: 1, found: 99, first: 11, firstReader: 'worker-a' }]);
  expect(await parent.compare(readings([3, 14]))).toEqual([]);
  // What it has by then is not lost by taking over again, and nothing to take over is no failure.
  await child.inherit('parent', 100);
  expect(await child.compare(readings([3, 14]))).toEqual([{ sample: 3, found: 14, first: 13, firstReader: 'worker-b' }]);
  await open('orphan', 'worker-b').inherit('nobody', 100);
});

test('a table takes 8 bytes a sample and is forgotten a day after its last use', async () => {
  const samples = 100_000;
  const table = open('large', 'worker-a');
  const all = Float64Array.from({ length: 2 * samples }, (_, i) => (i % 2 === 0 ? i / 2 : i));
  expect(await table.compare(all)).toEqual([]);
  expect(await table.compare(all)).toEqual([]);
  expect(await redis.client.strlen('maestro:content:large:0')).toBe(8 * samples);
  const memory = Number(await redis.client.call('MEMORY', 'USAGE', 'maestro:content:large:0'));
  expect(memory).toBeLessThan(2 * 8 * samples);
  for (const key of ['0', 'readers']) {
    const seconds = await redis.client.ttl(`maestro:content:large:${key}`);
    expect(seconds).toBeGreaterThan(23 * 3600);
    expect(seconds).toBeLessThanOrEqual(24 * 3600);
  }
});

test('of more readers than one byte can number, those that come late have no name, and still are compared', async () => {
  for (let n = 0; n < 256; n++) await open('many', `worker-${n}`).compare(readings([n, n + 1]));
  expect(await open('many', 'worker-x').compare(readings([0, 500], [253, 500], [255, 500]))).toEqual([
    { sample: 0, found: 500, first: 1, firstReader: 'worker-0' },
    { sample: 253, found: 500, first: 254, firstReader: 'worker-253' },
    { sample: 255, found: 500, first: 256, firstReader: '' },
  ]);
});
