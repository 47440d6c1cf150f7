import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { permutation, randomStream } from '@maestro/random';
import sharp from 'sharp';
import type { Dataset } from '../formats/dataset.ts';
import { openDataset } from '../formats/openDataset.ts';
import { augmentConfig } from '../images/augment.ts';
import { defaultNormalisation } from '../images/normalisation.ts';
import { addDigests, positionsDigest, sampleDigest } from '../schedule/sampleDigest.ts';
import type { PositionRange } from '../schedule/schedule.ts';
import { DRAWN_INPUTS, type DrawingFillerOptions, UNFLAGGED } from '../testing/drawingFiller.ts';
import { imageFiller } from './imageFiller.ts';
import { type Loader, type LoaderOptions, openLoader } from './loader.ts';
import { loadImages } from './loadImages.ts';

const COUNT = 24;
const BROKEN = 7;
let dir: string;
let idx: Dataset;
let folder: Dataset;
const open: Loader[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-loader-'));
  const header = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, COUNT, 0, 0, 0, 12, 0, 0, 0, 10);
  await writeFile(
    join(dir, 'train-images-idx3-ubyte'),
    Buffer.concat([header, Uint8Array.from({ length: COUNT * 120 }, (_, i) => (i * 31) % 256)]),
  );
  idx = await openDataset({ format: 'idx', path: dir });
  for (let i = 0; i < COUNT; i++) {
    const pixels = Uint8Array.from({ length: 20 * 14 * 3 }, (_, at) => (at * (i + 1)) % 256);
    const png = await sharp(pixels, { raw: { width: 20, height: 14, channels: 3 } })
      .png()
      .toBuffer();
    await writeFile(join(dir, `${String(i).padStart(2, '0')}.png`), i === BROKEN ? png.subarray(0, 60) : png);
  }
  folder = await openDataset({ format: 'image-folder', path: dir });
});
afterEach(() => Promise.all(open.splice(0).map((loader) => loader.close())));
afterAll(() => rm(dir, { recursive: true }));

function load(dataset: Dataset, options: Partial<LoaderOptions> = {}): Loader {
  const channels = options.channels ?? 1;
  const loader = openLoader({
    dataset,
    imageSize: 16,
    channels,
    augment: augmentConfig(channels),
    seed: 5,
    inputs: [{ name: 'images', dtype: 'float32', shape: [channels, 16, 16] }],
    filler: imageFiller({ crop: 'random' }),
    microBatch: 4,
    ...options,
  });
  open.push(loader);
  return loader;
}
const at = (first: number, epoch = 0, count = 4): PositionRange => ({ epoch, first, count });

/** A copy of the batch, which is released. */
async function contentOf(loader: Loader, positions: PositionRange) {
  const { inputs, count, skipped, digest, release } = await loader.batch(positions);
  const copies = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, values.slice()]));
  const content = { ...copies, images: copies['images'] as Float32Array, count, skipped, digest };
  release();
  return content;
}

test.each(['idx', 'image-folder'] as const)(
  'a batch of an %s set has the same bits alone, prefetched, in any order and with any threads',
  async (format) => {
    const dataset = format === 'idx' ? idx : folder;
    const keys = [at(0), at(4), at(8), at(12, 1), at(16, 1), at(0, 1, 3)];
    const alone = [];
    for (const key of keys) alone.push(await contentOf(load(dataset), key));
    expect(new Set(alone.map(({ images }) => images.join())).size).toBe(keys.length);

    const ahead = load(dataset, { threads: 3, aheadBatches: 4 });
    ahead.prefetch(keys);
    for (const i of [5, 0, 3, 1, 2, 4]) expect(await contentOf(ahead, keys[i]!)).toEqual(alone[i]);
    for (const i of [4, 2]) expect(await contentOf(ahead, keys[i]!)).toEqual(alone[i]);
  },
);

test.each(['idx', 'image-folder'] as const)(
  'a central crop of an %s set is what an evaluation loads, whatever is to be drawn',
  async (format) => {
    const dataset = format === 'idx' ? idx : folder;
    const order = permutation({ seed: 5, epoch: 0, length: COUNT });
    const wanted = [3, 4, 5, 6].map(order);
    const { images } = await loadImages(dataset, wanted, { imageSize: 16, channels: 1, normalisation: defaultNormalisation(1) });
    const content = await contentOf(load(dataset, { filler: imageFiller({ crop: 'central' }) }), at(3));
    expect(content.images).toEqual(images);
    expect(content.digest).toBe(positionsDigest(at(3), { seed: 5, samples: COUNT }));
    expect((await contentOf(load(dataset), at(3))).images).not.toEqual(images);
  },
);

const drawing = (options: DrawingFillerOptions = {}): Partial<LoaderOptions> => ({
  inputs: DRAWN_INPUTS,
  filler: {
    module: new URL('../testing/drawingFiller.js', import.meta.url).href,
    options,
    author: { id: 'drawn', module: './drawingFiller.js' },
  },
});

test('every declared input is filled in for each sample, in shared memory, by sample, seed and epoch alone', async () => {
  const batch = await load(idx, { channels: 3, inputs: [{ name: 'images', dtype: 'float32', shape: [3, 16, 16] }] }).batch(at(0));
  expect(batch.inputs['images']).toHaveLength(4 * 3 * 16 * 16);
  expect(batch.inputs['images']!.buffer).toBeInstanceOf(SharedArrayBuffer);

  const samples = [0, 1].map((epoch) => Array.from({ length: COUNT }, (_, i) => permutation({ seed: 5, epoch, length: COUNT })(i)));
  const plain = load(idx);
  for (const threads of [1, 2]) {
    const loader = load(idx, { ...drawing(), threads });
    for (const [epoch, first] of [
      [1, 8],
      [0, 4],
      [0, 0],
      [1, 20],
    ] as const) {
      const content = (await contentOf(loader, at(first, epoch))) as Record<string, unknown>;
      const own = samples[epoch]!.slice(first, first + 4);
      expect(content).toMatchObject({ index: Int32Array.from(own), label: BigInt64Array.from(own, () => -1n) });
      // A place of the ring holds nothing of the sample that was there before.
      expect(content['flags']).toEqual(Uint8Array.from(own.flatMap((index) => new Array(3).fill(index < UNFLAGGED ? 0 : 1))));
      const weights = own.flatMap((index) => {
        const stream = randomStream({ seed: 5, purpose: 'recipe.weights', epoch, index });
        return [stream.uniform(), stream.uniform()];
      });
      expect(content['weights']).toEqual(Float32Array.from(weights));
      expect(content['images']).toEqual((await contentOf(plain, at(first, epoch))).images);
    }
  }
});

const THIRD = permutation({ seed: 5, epoch: 0, length: COUNT })(2);

test.each([
  ['throws', new RegExp(`: no filling for sample ${THIRD} \\(drawingFiller\\.js:\\d+:\\d+\\)$`)],
  ['leaves', /: it returned before readImage was done; await it, or return its promise$/],
  ['loops', /: it did not return within 1\.2 s$/],
  ['waits', /: it did not return within 1\.2 s$/],
] as const)('a filler that %s ends the loader with an error that names recipe, module and sample', async (mistake, said) => {
  const loader = load(folder, { ...drawing({ failAt: THIRD, mistake }), sampleMs: 1200 });
  const error = await loader.batch(at(0)).catch((each: unknown) => each);
  expect(error).toMatchObject({ code: 'invalid-argument' });
  const { message } = error as Error;
  const name = `${String(THIRD).padStart(2, '0')}.png`;
  expect(message).toContain(`recipe drawn (./drawingFiller.js): fillSample of sample ${THIRD} (${name}): `);
  expect(message).toMatch(said);
  await expect(loader.batch(at(4))).rejects.toThrow(message);
});

test('a filler that cannot be loaded ends the loader with its words', async () => {
  const nowhere = load(idx, { filler: { module: new URL('./nowhere.js', import.meta.url).href, options: {} } });
  await expect(nowhere.batch(at(0))).rejects.toThrow(/Cannot find module .*nowhere\.js/);
});

test('seed and epoch each change what a batch holds', async () => {
  const first = await contentOf(load(idx), at(0));
  expect((await contentOf(load(idx, { seed: 6 }), at(0))).images).not.toEqual(first.images);
  expect((await contentOf(load(idx), at(0, 1))).images).not.toEqual(first.images);
});

test('a broken image is left out and named, and those after it move up', async () => {
  const loader = load(folder, { channels: 3 });
  const batches = [];
  for (let first = 0; first < COUNT; first += 4) batches.push(await contentOf(loader, at(first)));
  expect(batches.reduce((sum, { count }) => sum + count, 0)).toBe(COUNT - 1);
  const short = batches.find(({ count }) => count === 3)!;
  expect(short.images).toHaveLength(3 * 3 * 16 * 16);
  expect(short.skipped).toEqual([{ index: BROKEN, name: '07.png', reason: expect.stringMatching(/\S/) }]);
  await contentOf(loader, at(0, 1, 4));
  // Taken is taken, read or broken: the digests of an epoch's batches make that of all its samples.
  const all = Array.from({ length: COUNT }, (_, sample) => sampleDigest(0, sample));
  expect(batches.map(({ digest }) => digest).reduce(addDigests)).toBe(all.reduce(addDigests));
  expect(short.digest).toBe(positionsDigest(at(4 * batches.indexOf(short)), { seed: 5, samples: COUNT }));
});

test('a batch of broken images alone is empty: what is too much is for others to say', async () => {
  const bad = await mkdtemp(join(dir, 'bad-'));
  for (const name of ['a.png', 'b.png', 'c.png']) await writeFile(join(bad, name), 'broken');
  const loader = load(await openDataset({ format: 'image-folder', path: bad }));
  const { count, skipped } = await contentOf(loader, at(0, 0, 3));
  expect([count, skipped.map(({ name }) => name).sort()]).toEqual([0, ['a.png', 'b.png', 'c.png']]);
});

test('a file that has changed since the set was opened ends the loader by name', async () => {
  const changing = await mkdtemp(join(dir, 'changing-'));
  await writeFile(join(changing, 'a.png'), 'one');
  const loader = load(await openDataset({ format: 'image-folder', path: changing }));
  await writeFile(join(changing, 'a.png'), 'other');
  await expect(loader.batch(at(0, 0, 1))).rejects.toMatchObject({
    code: 'data-invalid',
    message: expect.stringContaining('a.png had 3 bytes'),
  });
});

test('the ring is reused: a thousand batches take the memory of three', async () => {
  const loader = load(idx, { aheadBatches: 2, threads: 2 });
  const buffers = new Set<unknown>();
  for (let i = 0; i < 1000; i++) {
    loader.prefetch([1, 2, 3, 4].map((next) => at(((i + next) % 6) * 4, Math.floor((i + next) / 6))));
    const batch = await loader.batch(at((i % 6) * 4, Math.floor(i / 6)));
    buffers.add(batch.inputs['images']!.buffer);
    batch.release();
  }
  expect(buffers.size).toBeLessThanOrEqual(3);
});

test('a held batch is not overwritten, and holding all of them is reported instead of waiting for ever', async () => {
  const loader = load(idx, { aheadBatches: 2 });
  const held = await loader.batch(at(0));
  const copy = held.inputs['images']!.slice();
  loader.prefetch([at(4), at(8), at(12), at(16)]);
  await contentOf(loader, at(4));
  const others = [await loader.batch(at(8)), await loader.batch(at(12))];
  await expect(loader.batch(at(16))).rejects.toThrow('all 3 batches of the loader are held; release one');
  expect(held.inputs['images']).toEqual(copy);
  for (const { release } of [held, held, ...others]) release();
  expect((await contentOf(loader, at(16))).count).toBe(4);
});

test('a batch that nobody announced is made before, and at the cost of, those that were', async () => {
  const loader = load(idx, { aheadBatches: 1 });
  loader.prefetch([at(0), at(4), at(8)]);
  const expected = await contentOf(load(idx), at(20));
  expect(await contentOf(loader, at(20))).toEqual(expected);
  expect(await contentOf(loader, at(4))).toEqual(await contentOf(load(idx), at(4)));
});

test('closing ends waiting calls, and so does the signal', async () => {
  const controller = new AbortController();
  const loader = load(idx, { signal: controller.signal });
  const waiting = loader.batch(at(0));
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  await expect(loader.batch(at(0))).rejects.toMatchObject({ code: 'cancelled' });
  await loader.close();
});

test('a cancelled wait leaves the loader in order', async () => {
  const loader = load(idx, { aheadBatches: 1 });
  for (let i = 0; i < 5; i++) {
    const controller = new AbortController();
    const waiting = loader.batch(at(4 * i), { signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  }
  expect((await contentOf(loader, at(0))).count).toBe(4);
});

test('options that make no sense are refused by name', () => {
  expect(() => load(idx, { threads: 0 })).toThrow('openLoader: threads must be a whole number of at least 1, found 0');
});
