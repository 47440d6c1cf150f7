import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openBoundedFolder } from './boundedFolder.ts';

const LIMIT_BYTES = 10_000;
const MOST_BYTES = 1000;

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'maestro-bounded-folder-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const filesIn = async (dir: string): Promise<Map<string, number>> => {
  const files = new Map<string, number>();
  for (const group of await readdir(dir))
    for (const name of await readdir(join(dir, group)).catch(() => [])) files.set(name, (await stat(join(dir, group, name))).size);
  return files;
};
const bytesIn = async (dir: string): Promise<number> => [...(await filesIn(dir)).values()].reduce((sum, size) => sum + size, 0);

test('several that put files into one folder, by turns or at once, keep the bound together', async () => {
  const dir = join(root, 'shared');
  const folders = Array.from({ length: 3 }, () => openBoundedFolder({ dir, limitBytes: LIMIT_BYTES }));
  for (let n = 0; n < 60; n++) {
    await folders[n % 3]!.put('a', `${n}`, new Uint8Array((n * 397) % MOST_BYTES));
    expect(await bytesIn(dir)).toBeLessThanOrEqual(LIMIT_BYTES);
  }
  for (let n = 0; n < 20; n++) {
    await Promise.all(folders.flatMap((folder, k) => [0, 1].map((m) => folder.put(`${m}`, `${n}-${k}-${m}`, new Uint8Array(MOST_BYTES)))));
    expect(await bytesIn(dir)).toBeLessThanOrEqual(LIMIT_BYTES);
  }
  expect(await bytesIn(dir)).toBeGreaterThan(LIMIT_BYTES / 2);
});

test('processes that put files into one folder at once keep the bound, and what was put last is there', async () => {
  const dir = join(root, 'processes');
  const script = `
    import { openBoundedFolder } from ${JSON.stringify(new URL('./boundedFolder.js', import.meta.url).href)};
    const folder = openBoundedFolder({ dir: ${JSON.stringify(dir)}, limitBytes: ${LIMIT_BYTES} });
    for (let n = 0; n < 100; n++) await folder.put('g' + (n % 4), process.pid + '-' + n, new Uint8Array(${MOST_BYTES}));
  `;
  await Promise.all(Array.from({ length: 3 }, () => promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])));
  expect(await bytesIn(dir)).toBeLessThanOrEqual(LIMIT_BYTES);
  expect([...(await filesIn(dir)).keys()].some((name) => name.endsWith('-99'))).toBe(true);
});

test('what was there before counts, what was used longest ago goes first, and half-written files of the dead go', async () => {
  const dir = join(root, 'old');
  const folder = openBoundedFolder({ dir, limitBytes: LIMIT_BYTES });
  await folder.put('a', 'first', new Uint8Array(MOST_BYTES));
  const longAgo = new Date(Date.now() - 3_600_000);
  for (const [name, age] of [
    ['used', new Date()],
    ['unused', longAgo],
    ['.half', longAgo],
  ] as const) {
    await writeFile(join(dir, 'a', name), new Uint8Array(4 * MOST_BYTES));
    await utimes(join(dir, 'a', name), age, age);
  }
  const another = openBoundedFolder({ dir, limitBytes: LIMIT_BYTES });
  await another.put('a', 'second', new Uint8Array(MOST_BYTES));
  expect([...(await filesIn(dir)).keys()].sort()).toEqual(['first', 'second', 'unused', 'used']);
  await another.put('a', 'third', new Uint8Array(MOST_BYTES));
  expect([...(await filesIn(dir)).keys()].sort()).toEqual(['first', 'second', 'third', 'used']);
});

test('what another process is still writing is left to it, however old beside the rest', async () => {
  const dir = join(root, 'writing');
  const folder = openBoundedFolder({ dir, limitBytes: LIMIT_BYTES });
  await folder.put('a', 'first', new Uint8Array(MOST_BYTES));
  const aside = join(dir, 'a', '.half');
  await writeFile(aside, new Uint8Array(MOST_BYTES));
  const before = new Date(Date.now() - 60_000);
  await utimes(aside, before, before);
  for (let n = 0; n < 20; n++) await folder.put('a', `${n}`, new Uint8Array(MOST_BYTES));
  expect((await filesIn(dir)).get('.half')).toBe(MOST_BYTES);
  expect(await bytesIn(dir)).toBeLessThanOrEqual(LIMIT_BYTES);
});

test('a file that the disk refuses is told, and the next one is put all the same', async () => {
  const dir = join(root, 'refused');
  const folder = openBoundedFolder({ dir, limitBytes: LIMIT_BYTES });
  await folder.put('a', 'first', new Uint8Array(1));
  await writeFile(join(dir, 'b'), 'no folder');
  await expect(folder.put('b', 'second', new Uint8Array(1))).rejects.toThrow(/EEXIST|ENOTDIR/);
  await folder.put('a', 'third', new Uint8Array(1));
  expect([...(await filesIn(dir)).keys()].sort()).toEqual(['first', 'third']);
});
