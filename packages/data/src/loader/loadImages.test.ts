import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { openDataset } from '../formats/openDataset.ts';
import { renderGrid } from '../images/renderGrid.ts';
import { loadImages } from './loadImages.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-images-'));
});
afterAll(() => rm(dir, { recursive: true }));

test('pixels in memory are loaded whole, centred on black, with their labels', async () => {
  await writeFile(
    join(dir, 'train-images-idx3-ubyte'),
    Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 255, 255, 255, 255, 51, 51, 51, 51),
  );
  await writeFile(join(dir, 'train-labels-idx1-ubyte'), Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 3, 9));
  const dataset = await openDataset({ format: 'idx', path: dir });
  const { images, labels, indices } = await loadImages(dataset, [1, 0], {
    imageSize: 4,
    channels: 1,
    normalisation: { mean: [0], std: [0.2] },
  });
  expect([...labels]).toEqual([9, 3]);
  expect(indices).toEqual([1, 0]);
  expect([...images.subarray(0, 16)].map((value) => Math.round(value))).toEqual([0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
  expect(images[16 + 5]).toBeCloseTo(5, 5);
});

test('image files are cut to their central square, and broken ones are left out and named', async () => {
  const root = join(dir, 'folder');
  await mkdir(join(root, 'cat'), { recursive: true });
  // 8 x 4: black but for the white central square of 4 x 4.
  const pixels = Uint8Array.from({ length: 8 * 4 * 3 }, (_, i) => (Math.floor(i / 3) % 8 >= 2 && Math.floor(i / 3) % 8 < 6 ? 255 : 0));
  await sharp(pixels, { raw: { width: 8, height: 4, channels: 3 } }).toFile(join(root, 'cat', 'a.png'));
  await writeFile(join(root, 'b.png'), 'broken');
  const dataset = await openDataset({ format: 'image-folder', path: root });
  const loaded = await loadImages(dataset, [0, 1], {
    imageSize: 2,
    channels: 3,
    cropFraction: 1,
    normalisation: { mean: [0, 0, 0], std: [1, 1, 1] },
  });
  expect([...loaded.images]).toEqual(new Array(12).fill(1));
  expect([...loaded.labels]).toEqual([0]);
  expect(loaded.indices).toEqual([1]);
  expect(loaded.skipped).toEqual([{ index: 0, name: 'b.png', reason: expect.any(String) }]);
});

test('a grid shows every tile enlarged and clipped, under its column’s title', async () => {
  const grey = { mean: [0.5], std: [0.5] };
  const tile = (value: number) => new Float32Array(16).fill(value);
  const rows = [
    [tile(-1), tile(1)],
    [tile(0), tile(7)],
  ];
  const { data, info } = await sharp(await renderGrid({ rows, size: 4, channels: 1, normalisation: grey, scale: 8, gap: 2 }))
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([info.width, info.height, info.channels]).toEqual([2 * 34 + 2, 2 * 34 + 2, 3]);
  const pixel = (x: number, y: number) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)];
  expect(pixel(2, 2)).toEqual([0, 0, 0]);
  expect(pixel(36, 33)).toEqual([255, 255, 255]);
  expect(pixel(33, 67)).toEqual([128, 128, 128]);
  expect(pixel(60, 60)).toEqual([255, 255, 255]);
  expect(pixel(34, 10)).toEqual([24, 24, 24]);

  const titled = await sharp(
    await renderGrid({ rows, size: 4, channels: 1, normalisation: grey, scale: 8, gap: 2, header: ['Masked', '75 %'] }),
  )
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect(titled.info.height).toBe(info.height + 7);
  const header = titled.data.subarray(0, 7 * info.width * 3);
  expect(header.filter((value) => value === 220).length).toBeGreaterThan(100);
});

test('colour tiles keep their channels', async () => {
  const tile = Float32Array.of(1, 0, 0.5); // [3, 1, 1]
  const png = await renderGrid({
    rows: [[tile]],
    size: 1,
    channels: 3,
    normalisation: { mean: [0, 0, 0], std: [1, 1, 1] },
    scale: 1,
    gap: 0,
  });
  expect([...(await sharp(png).raw().toBuffer())]).toEqual([255, 0, 128]);
});
