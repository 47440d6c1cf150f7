import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { augmentConfig, type Dataset, imageFiller, openDataset, openLoader, packDataset } from '@maestro/data';
import { openStorage } from '@maestro/storage';
import sharp from 'sharp';
import { type RangeServer, serveFolder } from '../support/network/rangeServer.ts';
import { hasS3Server, startS3Server } from '../support/tools/s3Server.ts';

const IMAGES = 60;
const hasS3 = await hasS3Server();

let dir: string;
let folder: Dataset;
let server: RangeServer;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-packed-'));
  for (const kind of ['cats', 'dogs']) await mkdir(join(dir, 'images', kind), { recursive: true });
  for (let n = 0; n < IMAGES; n++) {
    const [width, height] = [90 + n, 70 + (n % 7)];
    const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * (n + 3) + (i >> 7)) & 255);
    const jpeg = await sharp(pixels, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 90 })
      .toBuffer();
    // One is cut short.
    await writeFile(join(dir, 'images', n % 2 ? 'cats' : 'dogs', `${n}.jpg`), n === 7 ? jpeg.subarray(0, 300) : jpeg);
  }
  folder = await openDataset({ format: 'image-folder', path: join(dir, 'images') });
  await packDataset({ dataset: folder, to: openStorage(join(dir, 'packed')), shardBytes: 200_000 });
  server = await serveFolder(dir);
}, 60_000);

afterAll(async () => {
  await server?.close();
  await rm(dir, { recursive: true, force: true });
});

const open = (path: string, cache?: { dir: string; limitBytes: number }) => openDataset({ format: 'webdataset', path }, { cache });

/** All samples of a set, bytes as their digests: comparing megabytes one by one takes jest seconds. */
const samplesOf = (dataset: Dataset): Promise<unknown[]> =>
  Promise.all(
    Array.from({ length: IMAGES }, async (_, index) => {
      const entries = Object.entries(await dataset.read(index)).map(([name, value]) => [
        name,
        value instanceof Uint8Array ? createHash('sha256').update(value).digest('hex') : value,
      ]);
      return Object.fromEntries(entries);
    }),
  );

/** Every batch of an epoch as a loader makes it, in one buffer, with what was left out. */
async function epochOf(
  dataset: Dataset,
): Promise<{ readonly bytes: Buffer; readonly skipped: readonly string[]; readonly digests: readonly number[] }> {
  const loader = openLoader({
    dataset,
    imageSize: 32,
    channels: 3,
    augment: augmentConfig(3),
    seed: 5,
    inputs: [{ name: 'images', dtype: 'float32', shape: [3, 32, 32] }],
    filler: imageFiller({ crop: 'random' }),
    microBatch: 10,
  });
  const parts: Buffer[] = [];
  const skipped: string[] = [];
  const digests: number[] = [];
  try {
    for (let first = 0; first < IMAGES; first += 10) {
      const batch = await loader.batch({ epoch: 1, first, count: 10 });
      const { buffer, byteOffset, byteLength } = batch.inputs['images']!;
      parts.push(Buffer.from(new Uint8Array(buffer, byteOffset, byteLength)));
      skipped.push(...batch.skipped.map(({ name }) => name));
      digests.push(batch.digest);
      batch.release();
    }
  } finally {
    await loader.close();
  }
  return { bytes: Buffer.concat(parts), skipped, digests };
}

test('batches from shards are those from the folder bit for bit, broken image and all, from a path and from a web server', async () => {
  const expected = await epochOf(folder);
  expect(expected.skipped).toEqual(['cats/7.jpg']);
  for (const path of [join(dir, 'packed'), `${server.url}/packed/index.json`, `${server.url}/packed`]) {
    const packed = await open(path);
    expect([packed.length, packed.classes, packed.label(3), packed.name(3)]).toEqual([
      IMAGES,
      folder.classes,
      folder.label(3),
      folder.name(3),
    ]);
    const found = await epochOf(packed);
    expect(found.bytes.equals(expected.bytes)).toBe(true);
    expect([found.skipped, found.digests]).toEqual([expected.skipped, expected.digests]);
  }
  expect((await open(`${server.url}/packed`)).fingerprint).toBe((await open(join(dir, 'packed'))).fingerprint);
});

(hasS3 ? test : test.skip)('shards packed into an object store give the same batches', async () => {
  const s3 = await startS3Server();
  try {
    Object.assign(process.env, s3.env);
    const location = `${s3.bucket}/sets/images`;
    await packDataset({ dataset: folder, to: openStorage(location), shardBytes: 200_000 });
    const packed = await open(location);
    expect(packed.fingerprint).toBe((await open(join(dir, 'packed'))).fingerprint);
    for (const index of [0, 31, IMAGES - 1]) expect(await packed.read(index)).toEqual(await (await open(join(dir, 'packed'))).read(index));
  } finally {
    await s3.stop();
  }
});

test('tar reads the shards, which hold each image as it was and its class', async () => {
  const shards = (await readdir(join(dir, 'packed'))).filter((name) => name.endsWith('.tar'));
  expect(shards.length).toBeGreaterThan(1);
  const out = join(dir, 'unpacked');
  await mkdir(out);
  for (const shard of shards) await promisify(execFile)('tar', ['-xf', join(dir, 'packed', shard), '-C', out]);
  expect((await readdir(out)).length).toBe(2 * IMAGES);
  for (let index = 0; index < IMAGES; index++) {
    const key = String(index).padStart(9, '0');
    expect((await readFile(join(out, `${key}.jpg`))).equals(await readFile(join(dir, 'images', folder.name(index))))).toBe(true);
    expect(await readFile(join(out, `${key}.cls`), 'utf8')).toBe(String(folder.label(index)));
  }
});

test('pixels are decoded once, reduced to the shorter side in their shape, and a broken image keeps its place', async () => {
  const { broken } = await packDataset({
    dataset: folder,
    to: openStorage(join(dir, 'pixels')),
    shardBytes: 500_000,
    pixels: { shorterSide: 48 },
  });
  const index = Array.from({ length: IMAGES }, (_, i) => i).find((i) => folder.name(i) === 'cats/7.jpg')!;
  expect(broken.map((each) => each.index)).toEqual([index]);
  const pixels = await open(join(dir, 'pixels'));
  const sample = await pixels.read(index === 0 ? 1 : 0);
  if (sample.kind !== 'pixels') throw new Error(`expected pixels, found ${sample.kind}`);
  expect([Math.min(sample.width, sample.height), sample.data.length]).toEqual([48, sample.width * sample.height * 3]);
  const found = await epochOf(pixels);
  expect([found.skipped, found.digests]).toEqual([['cats/7.jpg'], (await epochOf(folder)).digests]);
});

test('a cache is filled once, shared, stays within its limit, and gives no damaged block', async () => {
  const cache = { dir: join(dir, 'cache'), limitBytes: 100e6 };
  const [one, two] = [await open(`${server.url}/packed`, cache), await open(`${server.url}/packed`, cache)];
  const before = server.sentBytes;
  const all = await samplesOf(one);
  const filled = server.sentBytes;
  expect(filled).toBeGreaterThan(before);
  expect(await samplesOf(two)).toEqual(all);
  expect(server.sentBytes).toBe(filled);
  const files = (await readdir(cache.dir, { recursive: true })).filter((name) => /\/[0-9a-f]{64}$/.test(name));
  for (const name of files) {
    const bytes = await readFile(join(cache.dir, name));
    bytes[100]! ^= 1;
    await writeFile(join(cache.dir, name), bytes);
  }
  const three = await open(`${server.url}/packed`, cache);
  expect(await samplesOf(three)).toEqual(all);
  expect(server.sentBytes).toBeGreaterThan(filled);
  const small = { dir: join(dir, 'small-cache'), limitBytes: 300_000 };
  const four = await open(`${server.url}/packed`, small);
  expect(await samplesOf(four)).toEqual(all);
  const sizes = await Promise.all(
    (await readdir(small.dir, { recursive: true })).map((name) =>
      stat(join(small.dir, name)).then((found) => (found.isFile() ? found.size : 0)),
    ),
  );
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(small.limitBytes);
});

test('shards are packed into an empty place, over what an interrupted call left, or over a packed set when told to', async () => {
  const to = openStorage(join(dir, 'target'));
  const pack = (shardBytes: number, overwrite?: boolean) => packDataset({ dataset: folder, to, shardBytes, overwrite });
  const controller = new AbortController();
  const interrupted = packDataset({
    dataset: folder,
    to,
    shardBytes: 50_000,
    onShard: () => controller.abort(),
    signal: controller.signal,
  });
  await expect(interrupted).rejects.toMatchObject({ name: 'AbortError' });
  await to.write('.writing-1-0', [Buffer.from('of a process that was killed')]);
  expect((await to.list()).map(({ name }) => name)).not.toContain('index.json');
  const { shards } = await pack(50_000);
  await expect(pack(50_000)).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('--overwrite') });
  const fewer = await pack(200_000, true);
  expect(fewer.shards).toBeLessThan(shards);
  expect((await to.list()).length).toBe(fewer.shards + 1);
  expect((await open(to.location)).fingerprint).toBe((await open(join(dir, 'packed'))).fingerprint);
  const itself = packDataset({ dataset: await open(to.location), to, shardBytes: 1e6, overwrite: true });
  await expect(itself).rejects.toMatchObject({ code: 'conflict' });
  await expect(
    packDataset({ dataset: folder, to: openStorage(join(dir, 'images')), shardBytes: 1e6, overwrite: true }),
  ).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringMatching(/is not empty \(it has .*jpg\)/),
  });
});

test('a copy that is damaged, cut short or lacks its index is refused', async () => {
  const copy = openStorage(join(dir, 'copy'));
  await packDataset({ dataset: folder, to: copy, shardBytes: 200_000 });
  const shard = join(dir, 'copy', 'shard-000000.tar');
  const bytes = await readFile(shard);
  bytes[1000]! ^= 1;
  await writeFile(shard, bytes);
  await expect(open(join(dir, 'copy'))).rejects.toMatchObject({
    code: 'data-invalid',
    message: expect.stringContaining('does not match its index'),
  });
  await expect((await open(`${server.url}/copy`)).read(0)).rejects.toMatchObject({ code: 'data-invalid' });
  await writeFile(shard, bytes.subarray(0, 5000));
  await expect(open(join(dir, 'copy'))).rejects.toMatchObject({ code: 'data-invalid', message: expect.stringContaining('5000 bytes') });
  await copy.remove('index.json');
  await expect(open(join(dir, 'copy'))).rejects.toMatchObject({ code: 'not-found' });
});
