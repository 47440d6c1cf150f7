import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openStorage } from '@maestro/storage';
import fc from 'fast-check';
import sharp from 'sharp';
import { chooseHeldOut } from './holdOut.ts';
import { openDataset, reopenDataset } from './openDataset.ts';
import { packDataset } from './packDataset.ts';

const COUNT = 200;
let dir: string;
let path: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-hold-out-'));
  path = join(dir, 'images');
  for (const kind of ['a', 'b']) await mkdir(join(path, kind), { recursive: true });
  for (let n = 0; n < COUNT; n++) {
    // Half are files of one size each, half of one and the same size.
    const pixels = Uint8Array.from({ length: 3 * 12 * 12 }, (_, i) => (i * (n + 3)) & 255);
    const image = sharp(pixels, { raw: { width: 12, height: 12, channels: 3 } });
    const bytes = await (n % 2 === 0 ? image.tiff({ compression: 'none' }) : image.png()).toBuffer();
    await writeFile(join(path, n % 3 === 0 ? 'a' : 'b', `${String(n).padStart(3, '0')}.${n % 2 === 0 ? 'tif' : 'png'}`), bytes);
  }
});

afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

const open = (place: string, holdOut?: number, part?: 'held-out' | 'training' | 'all') =>
  openDataset({ format: 'image-folder', path: place, holdOut, part });
const namesOf = ({ length, name }: { readonly length: number; name(index: number): string }) =>
  Array.from({ length }, (_, index) => name(index));

test('an image is trained on or held out, never both; a share of 0 holds none out', async () => {
  const [all, training, heldOut] = [await open(path), await open(path, 0.05), await open(path, 0.05, 'held-out')];
  expect([all.length, training.length, heldOut.length]).toEqual([COUNT, 190, 10]);
  expect([...namesOf(training), ...namesOf(heldOut)].sort()).toEqual(namesOf(all));
  expect(namesOf(await open(path, 0.05, 'all'))).toEqual(namesOf(all));
  expect(new Set([all, training, heldOut].map(({ fingerprint }) => fingerprint)).size).toBe(3);
  expect((await open(path, 0)).fingerprint).toBe(all.fingerprint);
  // Each keeps its label and bytes, on another thread too.
  for (const part of [heldOut, reopenDataset(heldOut.source)]) {
    for (let index = 0; index < heldOut.length; index++) {
      const original = namesOf(all).indexOf(part.name(index));
      expect([part.label(index), await part.read(index)]).toEqual([all.label(original), await all.read(original)]);
    }
  }
});

test('which images are held out follows from their bytes: not from names or folders, and copies fall on the same side', async () => {
  const [all, heldOut] = [await open(path), await open(path, 0.05, 'held-out')];
  const bytesOf = async (dataset: typeof all) =>
    Promise.all(
      namesOf(dataset).map(async (_, index) => {
        const sample = await dataset.read(index);
        return sample.kind === 'encoded' ? Buffer.from(sample.bytes).toString('base64') : '';
      }),
    );
  const renamed = join(dir, 'renamed');
  await mkdir(renamed);
  for (const name of namesOf(all)) await copyFile(join(path, name), join(renamed, `x${name.slice(-7, -4)}x${name.slice(-4)}`));
  expect((await bytesOf(await open(renamed, 0.05, 'held-out'))).sort()).toEqual((await bytesOf(heldOut)).sort());

  const doubled = join(dir, 'doubled');
  for (const kind of ['first', 'second']) {
    await mkdir(join(doubled, kind), { recursive: true });
    for (const name of namesOf(all)) await copyFile(join(path, name), join(doubled, kind, name.slice(2)));
  }
  const [training, held] = [await bytesOf(await open(doubled, 0.05)), await bytesOf(await open(doubled, 0.05, 'held-out'))];
  expect(held).toHaveLength(20);
  expect(new Set(held).size).toBe(10);
  expect(training.filter((bytes) => held.includes(bytes))).toEqual([]);
});

test('shards of files and of pixels hold out the same images as the folder that they were packed from', async () => {
  const heldOut = namesOf(await open(path, 0.05, 'held-out'));
  for (const [name, pixels] of [
    ['files', undefined],
    ['pixels', { shorterSide: 12 }],
  ] as const) {
    const location = join(dir, name);
    await packDataset({ dataset: await open(path), to: openStorage(location), shardBytes: 50_000, pixels });
    const packed = await openDataset({ format: 'webdataset', path: location, holdOut: 0.05, part: 'held-out' });
    expect(namesOf(packed)).toEqual(heldOut);
    expect((await openDataset({ format: 'webdataset', path: location, holdOut: 0.05 })).length).toBe(COUNT - heldOut.length);
  }
});

test('the share is held out, rounded up, as long as copies leave a choice; nothing is read where sizes are enough', async () => {
  const set = fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 120 });
  await fc.assert(
    fc.asyncProperty(set, fc.double({ min: 0, max: 0.5, noNaN: true }), async (samples, share) => {
      const dataset = {
        length: samples.length,
        sizeBytes: (index: number) => samples[index]![0],
        probe: async (index: number) => samples[index]![1],
      };
      const held = new Set(await chooseHeldOut(dataset, share));
      expect(held.size).toBeLessThanOrEqual(Math.max(Math.ceil(share * samples.length), samples.length / 2));
      expect(held.size).toBeLessThan(samples.length);
      const sideOf = new Map<string, boolean>();
      for (const [index, sample] of samples.entries()) {
        const key = sample.join();
        expect(sideOf.get(key) ?? held.has(index)).toBe(held.has(index));
        sideOf.set(key, held.has(index));
      }
    }),
  );
  const reads = {
    length: 10_000,
    sizeBytes: (index: number) => 1000 + (index % 2500),
    probe: () => Promise.reject(new Error('it is read')),
  };
  const held = await chooseHeldOut(reads, 0.01);
  expect(held.length).toBe(100);
  expect(await chooseHeldOut({ ...reads, length: 1 }, 0.5)).toEqual([]);
  // Photographs of one camera: each group of four stays together.
  expect(held.filter((index) => held.includes((index + 2500) % 10_000))).toEqual(held);
});
