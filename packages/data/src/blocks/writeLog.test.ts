import { appendFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openWriteLog } from './writeLog.ts';

let path: string;
beforeAll(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'maestro-write-log-')), 'log');
});
afterAll(() => rm(join(path, '..'), { recursive: true, force: true }));

test('each learns what all have added, and that a log which grew long was begun anew', async () => {
  const [a, b] = [openWriteLog(path), openWriteLog(path)];
  expect(await a.add(1)).toBeUndefined();
  await a.follow();
  expect(await b.add(2)).toBeUndefined();
  await b.follow();
  expect(await b.add(3)).toBe(3);
  expect(await a.add(4)).toBe(9);
  expect(await b.add(4e9)).toBe(4e9 + 4);
  await appendFile(path, new Uint8Array(64 * 1024));
  expect(await a.add(5)).toBeUndefined();
  await a.follow();
  expect((await stat(path)).size).toBeLessThan(100);
  expect(await a.add(6)).toBe(6);
  expect(await b.add(7)).toBeUndefined();
});
