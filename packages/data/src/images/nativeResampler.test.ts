import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { loadNativeImages, type NativeImages, prepareNative } from '@maestro/native';
import { randomStream } from '@maestro/random';
import sharp from 'sharp';
import { openDataset } from '../formats/openDataset.ts';
import type { CropBox } from './cropBox.ts';
import { type BrokenImage, decodeImage } from './imageCodec.ts';
import { createNativeResampler } from './nativeResampler.ts';
import { createPlaneWriter, defaultNormalisation } from './normalisation.ts';
import { createResampler } from './resample.ts';
import { createSquareReader } from './squareReader.ts';

const random = randomStream({ seed: 1, purpose: 'probe' });
const below = (count: number): number => Math.floor(count * random.uniform());
const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, () => below(256));
const digest = (bytes: Uint8Array | Uint32Array): string => createHash('sha256').update(bytes).digest('hex');
const boxIn = (width: number, height: number): CropBox => {
  const [w, h] = [1 + below(width), 1 + below(height)];
  return { left: below(width - w + 1), top: below(height - h + 1), width: w, height: h };
};

const told = (square: Uint8Array | BrokenImage): string => ('broken' in square ? square.broken : digest(square));

const path = (await prepareNative())?.path;
const onLibrary = path === undefined ? describe.skip : describe;
let images: NativeImages;
beforeAll(() => {
  if (path !== undefined) images = loadNativeImages(path)!;
});

/** Pictures with smooth parts, edges and noise, so that all kinds of blocks are there. */
function picture(width: number, height: number) {
  const noise = bytesOf(3 * width * height);
  const pixels = noise.map((value, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return x < width / 3 ? 40 * (i % 3) + y : y < height / 2 ? value : x % 7 < 3 ? 255 : 0;
  });
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}
const SIZES = [
  [8, 1],
  [9, 17],
  [16, 16],
  [33, 15],
  [70, 65],
  [131, 90],
] as const;

onLibrary('with the native library', () => {
  test.each(['4:4:4', '4:2:0', 'grey'] as const)('a box of a JPEG file with %s has the pixels that sharp decodes', async (chroma) => {
    for (const [width, height] of SIZES)
      for (const quality of [3, 60, 100]) {
        const image = chroma === 'grey' ? picture(width, height).toColourspace('b-w') : picture(width, height);
        const bytes = await image.jpeg({ quality, ...(chroma !== 'grey' && { chromaSubsampling: chroma }) }).toBuffer();
        expect(images.jpegSize(bytes)).toEqual({ width, height, channels: chroma === 'grey' ? 1 : 3, isTurned: false });
        for (const box of [{ left: 0, top: 0, width, height }, boxIn(width, height), boxIn(width, height)]) {
          const expected = await decodeImage({ bytes, chooseBox: () => box });
          const found = new Uint8Array(box.width * box.height * (chroma === 'grey' ? 1 : 3));
          expect(images.decodeJpeg(bytes, box, found)).toBe(true);
          expect({ box, data: digest(found) }).toEqual({ box, data: 'data' in expected ? digest(expected.data) : expected.broken });
        }
      }
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('a box of a JPEG file with EXIF orientation %i has the upright pixels', async (orientation) => {
    for (const image of [picture(70, 45), picture(45, 70).toColourspace('b-w')]) {
      const bytes = await image.withMetadata({ orientation }).jpeg().toBuffer();
      const { width, height, channels, isTurned } = images.jpegSize(bytes)!;
      expect(isTurned).toBe(orientation > 1);
      for (const box of [{ left: 0, top: 0, width, height }, boxIn(width, height), boxIn(width, height)]) {
        const expected = await decodeImage({ bytes, chooseBox: () => box });
        const found = new Uint8Array(box.width * box.height * channels);
        expect(images.decodeJpeg(bytes, box, found)).toBe(true);
        expect({ box, data: digest(found) }).toEqual({ box, data: 'data' in expected ? digest(expected.data) : expected.broken });
      }
    }
  });

  test('every square is that of the portable path, whatever the file and the model', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'maestro-native-'));
    try {
      const usual = await picture(131, 90).jpeg().toBuffer();
      const files = {
        usual,
        grey: await picture(61, 40).toColourspace('b-w').jpeg().toBuffer(),
        progressive: await picture(61, 40).jpeg({ progressive: true }).toBuffer(),
        cmyk: await picture(61, 40).toColourspace('cmyk').jpeg().toBuffer(),
        turned: await picture(61, 40).withMetadata({ orientation: 6 }).jpeg().toBuffer(),
        narrow: await picture(5, 40).jpeg().toBuffer(),
        png: await picture(61, 40).png().toBuffer(),
        ...Object.fromEntries([0.2, 0.5, 0.8, 0.99].map((share) => [`cut${share}`, usual.subarray(0, Math.floor(share * usual.length))])),
        ...Object.fromEntries(
          Array.from({ length: 60 }, (_, n) => {
            const changed = Uint8Array.from(usual);
            changed[n < 20 ? below(600) : 600 + below(usual.length - 600)] = below(256);
            return [`changed${n}`, changed];
          }),
        ),
      };
      for (const [name, bytes] of Object.entries(files)) await writeFile(join(dir, `${name}.jpg`), bytes);
      const dataset = await openDataset({ format: 'image-folder', path: dir });
      for (const channels of [3, 1] as const) {
        const native = createSquareReader(dataset, 24, channels, images);
        const portable = createSquareReader(dataset, 24, channels, null);
        for (let index = 0; index < dataset.length; index++) {
          let box: CropBox | undefined;
          const chooseBox = (width: number, height: number): CropBox => (box ??= boxIn(width, height));
          const found = await native.read(index, chooseBox);
          const expected = await portable.read(index, chooseBox);
          expect({ name: dataset.name(index), box, square: told(found) }).toEqual({
            name: dataset.name(index),
            box,
            square: told(expected),
          });
        }
      }
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  test.each([1, 3])('resizing %i channels gives the bits of WebAssembly, from any box to any size', (channels) => {
    const [native, portable] = [createNativeResampler(images), createResampler()];
    for (let n = 0; n < 60; n++) {
      const [width, height] = [1 + below(90), 1 + below(90)];
      const pixels =
        n % 3 === 0 ? bytesOf(width * height * channels).map((value) => (value < 128 ? 0 : 255)) : bytesOf(width * height * channels);
      const box = boxIn(width, height);
      const size = { width: 1 + below(70), height: 1 + below(70) };
      const expected = portable.resample(pixels, width, channels, box, size);
      expect({ box, size, data: digest(native.resample(pixels, width, channels, box, size)) }).toEqual({
        box,
        size,
        data: digest(expected),
      });
    }
  });

  test('normalised planes have the bits of WebAssembly, mirrored or not', () => {
    for (const channels of [1, 3] as const)
      for (const step of [1, channels])
        for (const isFlipped of [false, true]) {
          const pixels = bytesOf(20 * 20 * step);
          const [found, expected] = [images, null].map((each) => {
            const out = new Float32Array(channels * 400 + 3);
            createPlaneWriter(20, defaultNormalisation(channels), each)(pixels, { out, offset: 2, isFlipped });
            return new Uint32Array(out.buffer);
          });
          expect(digest(found!)).toBe(digest(expected!));
        }
  });
});
