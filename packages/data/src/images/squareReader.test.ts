import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openStorage } from '@maestro/storage';
import type { Dataset } from '../formats/dataset.ts';
import { openDataset } from '../formats/openDataset.ts';
import { packDataset } from '../formats/packDataset.ts';
import { loadImages } from '../loader/loadImages.ts';
import { toThreeChannels } from './convertPixels.ts';
import { createSquareReader } from './squareReader.ts';

/** What Pillow makes of an image file: see tests/conformance/make_image_fixtures.py. */
interface ByPillow {
  readonly decoded: string;
  readonly reduced: string;
  readonly squares: string;
  readonly pixels?: string;
}
interface Fixtures {
  readonly sizes: readonly number[];
  readonly shorterSide: number;
  readonly images: Readonly<
    Record<
      string,
      {
        readonly size: readonly [number, number];
        readonly boxes: readonly (readonly [number, number, number, number])[];
        readonly rgb: ByPillow;
        readonly grey: ByPillow;
      }
    >
  >;
}

const fixtures = fileURLToPath(new URL('../../../../tests/conformance/fixtures/', import.meta.url));
const { sizes, shorterSide, images } = JSON.parse(readFileSync(join(fixtures, 'images.json'), 'utf8')) as Fixtures;
const sha256 = (...parts: Uint8Array[]): string => createHash('sha256').update(Buffer.concat(parts)).digest('hex');

let dir: string;
/** The same images from files, from shards, and from pixels that were packed whole. */
let stored: Readonly<Record<'folder' | 'shards' | 'pixels', Dataset>>;
let reduced: Dataset;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'maestro-squares-'));
  const folder = await openDataset({ format: 'image-folder', path: join(fixtures, 'images') });
  const pack = async (name: string, pixels?: { readonly shorterSide: number }): Promise<Dataset> => {
    await packDataset({ dataset: folder, to: openStorage(join(dir, name)), shardBytes: 20_000, pixels });
    return openDataset({ format: 'webdataset', path: join(dir, name) });
  };
  stored = { folder, shards: await pack('shards'), pixels: await pack('pixels', { shorterSide: 1000 }) };
  reduced = await pack('reduced', { shorterSide });
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test('the fixtures are all there', () => {
  expect(Array.from({ length: stored.folder.length }, (_, index) => stored.folder.name(index))).toEqual(Object.keys(images).sort());
});

describeEach((name) => {
  const { size, boxes, rgb, grey } = images[name]!;
  const indexOf = (dataset: Dataset): number => Array.from({ length: dataset.length }, (_, at) => dataset.name(at)).indexOf(name);

  test.each(['folder', 'shards', 'pixels'] as const)(`${name} from %s is what Pillow decodes and resizes`, async (place) => {
    const dataset = stored[place];
    for (const [channels, expected] of [[3, rgb] as const, [1, grey] as const]) {
      const squares: Uint8Array[] = [];
      for (const [left, top, width, height] of boxes) {
        for (const side of sizes) {
          const square = await createSquareReader(dataset, side, channels).read(indexOf(dataset), (...found) => {
            expect(found).toEqual(size);
            return { left, top, width, height };
          });
          if ('broken' in square) throw new Error(square.broken);
          squares.push(square.length < side * side * channels ? toThreeChannels(square) : square.slice());
        }
      }
      expect([place, channels, sha256(...squares)]).toEqual([place, channels, expected.squares]);
    }
  });

  test(`${name} is packed as what Pillow reduces it to`, async () => {
    for (const [dataset, expected] of [[stored.pixels, rgb.decoded] as const, [reduced, rgb.reduced] as const]) {
      const sample = await dataset.read(indexOf(dataset));
      if (sample.kind !== 'pixels') throw new Error(`found ${sample.kind}`);
      expect(sha256(sample.data)).toBe(expected);
    }
  });
});

/** Defines the tests of each image whose pixels are told by their hash. */
function describeEach(define: (name: string) => void): void {
  for (const [name, { rgb }] of Object.entries(images)) if (rgb.pixels === undefined) define(name);
}

test('AVIF differs from what Pillow decodes by a level at most', async () => {
  const index = Object.keys(images).sort().indexOf('lossy.avif');
  const sample = await stored.pixels.read(index);
  if (sample.kind !== 'pixels') throw new Error(`found ${sample.kind}`);
  const expected = Buffer.from(images['lossy.avif']!.rgb.pixels!, 'hex');
  expect(sample.data.length).toBe(expected.length);
  expect(Math.max(...sample.data.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThanOrEqual(1);
});

test('files whose values have no agreed range are broken, each with its reason', async () => {
  const dataset = await openDataset({ format: 'image-folder', path: join(fixtures, 'refused-images') });
  const { skipped } = await loadImages(dataset, [0, 1, 2, 3, 4], { imageSize: 8, channels: 3 });
  expect(skipped.map(({ name, reason }) => [name, reason])).toEqual([
    ['double.tiff', expect.stringMatching(/\S/)],
    ['float.tiff', expect.stringContaining('of type 32-bit floating point, for which no range is agreed')],
    ['int16.tiff', expect.stringContaining('signed 16-bit integer')],
    ['twelve-bits.png', expect.stringMatching(/its largest value is 40\d\d: it holds 12 bits or fewer in 16/)],
    ['uint32.tiff', expect.stringContaining('unsigned 32-bit integer')],
  ]);
});
