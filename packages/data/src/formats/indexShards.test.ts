import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openStorage } from '@maestro/storage';
import type { Dataset } from './dataset.ts';
import { openDataset } from './openDataset.ts';
import { packDataset } from './packDataset.ts';

let dir: string;
let shards: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-foreign-'));
  shards = join(dir, 'shards');
  await mkdir(shards);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** An archive that the system's tar makes of files by their names, in that order. */
async function archive(name: string, files: Readonly<Record<string, string>>, format = 'gnu'): Promise<void> {
  const from = await mkdtemp(join(dir, 'files-'));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(from, path, '..'), { recursive: true });
    await writeFile(join(from, path), content);
  }
  execFileSync('tar', ['-cf', join(shards, name), `--format=${format}`, '-C', from, ...Object.keys(files)]);
}

const open = (cache?: string) =>
  openDataset({ format: 'webdataset', path: shards }, cache === undefined ? {} : { cache: { dir: cache, limitBytes: 1e9 } });
const contentsOf = (dataset: Dataset) =>
  Promise.all(
    Array.from({ length: dataset.length }, async (_, at) => {
      const sample = await dataset.read(at);
      return [dataset.name(at), dataset.label(at), sample.kind === 'encoded' && Buffer.from(sample.bytes).toString()];
    }),
  );

const LONG = `${'deep/'.repeat(30)}${'n'.repeat(120)}`;

test.each(['gnu', 'pax', 'ustar'])("shards of others are read without an index, as the system's tar writes them in %s", async (format) => {
  const long = format === 'ustar' ? 'short/a' : LONG;
  const large = 'x'.repeat(700_000);
  await archive('b.tar', { 'c.png': 'C', 'c.cls': '2\n', 'c.json': '{}' }, format);
  await archive(
    'a.tar',
    { [`${long}.cls`]: '0', [`${long}.jpg`]: 'A', 'b.seg.png': 'mask', 'b.JPEG': large, 'b.txt': 'words', 'b.png': 'second' },
    format,
  );
  await writeFile(join(shards, 'notes.txt'), 'no shard');
  const dataset = await open();
  expect(await contentsOf(dataset)).toEqual([
    [`${long}.jpg`, 0, 'A'],
    ['b.JPEG', undefined, large],
    ['c.png', 2, 'C'],
  ]);
  expect(dataset.classes).toEqual(['0', '1', '2']);
});

test('an index is made once, kept in the cache, and made again when a shard has changed', async () => {
  await archive('a.tar', { 'a.jpg': 'A' });
  const cache = join(dir, 'cache');
  const first = await open(cache);
  const [file] = await readdir(join(cache, 'indexes'));
  const kept = join(cache, 'indexes', file!);
  // What is kept is what is used: another class shows it.
  await writeFile(
    kept,
    (await readFile(kept, 'utf8')).replace('"labels":[-1]', '"labels":[0]').replace('"classes":[]', '"classes":["kept"]'),
  );
  expect((await open(cache)).classes).toEqual(['kept']);
  expect((await open()).fingerprint).toBe(first.fingerprint);
  await utimes(join(shards, 'a.tar'), new Date(0), new Date(0));
  expect((await open(cache)).fingerprint).toBe(first.fingerprint);
});

test('shards are packed again, with an index, and keep names, classes and images', async () => {
  await archive('a.tar', { 'x.jpg': 'X', 'x.cls': '1', 'y.webp': 'Y' });
  const dataset = await open();
  await packDataset({ dataset, to: openStorage(join(dir, 'packed')), shardBytes: 1e6 });
  const packed = await openDataset({ format: 'webdataset', path: join(dir, 'packed') });
  expect(await contentsOf(packed)).toEqual(await contentsOf(dataset));
  await rm(join(dir, 'packed', 'index.json'));
  const lost = openDataset({ format: 'webdataset', path: join(dir, 'packed') });
  await expect(lost).rejects.toMatchObject({ code: 'not-found', message: expect.stringContaining('their index is not there') });
});

test('what is no tar, cut off, or without images is refused by its name', async () => {
  await archive('a.tar', { 'x.jpg': 'X'.repeat(5000) });
  const whole = await readFile(join(shards, 'a.tar'));
  const put = (bytes: Uint8Array) => writeFile(join(shards, 'a.tar'), bytes);
  await put(whole.subarray(0, 3000));
  await expect(open()).rejects.toThrow(/a\.tar: it ends within "x\.jpg", whose header is at byte 0/);
  await put(whole.subarray(0, 100));
  await expect(open()).rejects.toThrow(/a\.tar: it ends within a header at byte 0/);
  await put(Buffer.alloc(2048, 'no tar'));
  await expect(open()).rejects.toThrow(/a\.tar: it is not a tar archive/);
  await rm(join(shards, 'a.tar'));
  await archive('a.tar', { 'x.txt': 'words' });
  await expect(open()).rejects.toMatchObject({ code: 'data-invalid', message: expect.stringContaining('no image found in 1 archives') });
  await rename(join(shards, 'a.tar'), join(shards, 'a b.tar'));
  await expect(open()).rejects.toThrow('rename it');
  await rm(join(shards, 'a b.tar'));
  await expect(open()).rejects.toMatchObject({ code: 'not-found', message: expect.stringContaining('no index.json') });
});
