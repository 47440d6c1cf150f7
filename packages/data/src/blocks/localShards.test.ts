import { mkdir, mkdtemp, open, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openStorage } from '@maestro/storage';
import type { Dataset } from '../formats/dataset.ts';
import { openDataset, reopenDataset } from '../formats/openDataset.ts';
import { packDataset } from '../formats/packDataset.ts';
import { BLOCK_BYTES } from './blockHashes.ts';

const SIZE = 100_000;
const COUNT = 6;

let dir: string;
let packed: Dataset;
const shard = () => join(dir, 'packed', 'shard-000000.tar');

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-local-shards-'));
  await mkdir(join(dir, 'images'));
  for (let n = 0; n < COUNT; n++) await writeFile(join(dir, 'images', `${n}.png`), Buffer.alloc(SIZE, n + 1));
  const dataset = await openDataset({ format: 'image-folder', path: join(dir, 'images') });
  await packDataset({ dataset, to: openStorage(join(dir, 'packed')), shardBytes: 1e9 });
  packed = await openDataset({ format: 'webdataset', path: join(dir, 'packed') });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** Changes a byte of the only shard in place, and sets the time of its modification back. */
async function alter(at: number): Promise<void> {
  const { atime, mtime } = await stat(shard());
  const file = await open(shard(), 'r+');
  await file.write(Buffer.from([0xff]), 0, 1, at);
  await file.close();
  await utimes(shard(), atime, mtime);
}

const damaged = (at: number) => ({
  code: 'data-invalid',
  message: expect.stringContaining(`packed data set ${join(dir, 'packed')}: shard-000000.tar does not match its index at byte ${at}`),
});

test('what was changed after the set was opened is not handed out, by whichever thread', async () => {
  const other = reopenDataset(packed.source);
  await alter(50_000);
  await expect(packed.read(0)).rejects.toMatchObject(damaged(0));
  await expect(other.read(0)).rejects.toMatchObject(damaged(0));
  // Of a sample that lies in two blocks the second counts too.
  expect(await packed.read(4)).toEqual({ kind: 'encoded', bytes: new Uint8Array(SIZE).fill(5) });
  await alter(BLOCK_BYTES + 10);
  await expect(packed.read(2)).rejects.toMatchObject(damaged(0));
});

test('a block that was found right is hashed again once its file was changed, also when the change shows no time', async () => {
  const other = reopenDataset(packed.source);
  for (const index of [0, 1, 2, 3, 4, 5]) await packed.read(index);
  expect(await other.read(3)).toEqual({ kind: 'encoded', bytes: new Uint8Array(SIZE).fill(4) });
  await alter(BLOCK_BYTES + 100_000);
  await expect(packed.read(3)).rejects.toMatchObject(damaged(BLOCK_BYTES));
  await expect(other.read(3)).rejects.toMatchObject(damaged(BLOCK_BYTES));
  expect(await packed.read(0)).toEqual({ kind: 'encoded', bytes: new Uint8Array(SIZE).fill(1) });
});
