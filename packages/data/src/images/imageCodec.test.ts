import { crc32 } from 'node:zlib';
import { expect, test } from '@jest/globals';
import sharp from 'sharp';
import type { CropBox } from './cropBox.ts';
import { decodeImage, imageBuild, reduceImage, withChannels } from './imageCodec.ts';

/** 8 x 4 pixels: the left half red, the right half blue. */
const halves = Uint8Array.from({ length: 8 * 4 * 3 }, (_, i) => {
  const isLeft = Math.floor(i / 3) % 8 < 4;
  return i % 3 === (isLeft ? 0 : 2) ? 255 : 0;
});
const picture = () => sharp(halves, { raw: { width: 8, height: 4, channels: 3 } });
const decode = async (bytes: Uint8Array, box?: CropBox) => {
  const image = await decodeImage({ bytes, chooseBox: box && (() => box) });
  return 'broken' in image ? image : { ...image, data: [...image.data] };
};

test.each(['png', 'webp', 'tiff', 'gif'] as const)('%s decodes to the pixels of the box', async (format) => {
  const bytes = await picture().toFormat(format, { lossless: true, compression: 'lzw' }).toBuffer();
  expect(await decode(bytes, { left: 3, top: 1, width: 2, height: 1 })).toEqual({
    data: [255, 0, 0, 0, 0, 255],
    width: 2,
    height: 1,
    channels: 3,
  });
});

test('alpha is dropped and the stored colour stays, hidden or not', async () => {
  const alpha = await sharp(Uint8Array.of(50, 60, 70, 255, 50, 60, 70, 0, 90, 80, 10, 5), { raw: { width: 3, height: 1, channels: 4 } })
    .png()
    .toBuffer();
  expect(await decode(alpha)).toMatchObject({ data: [50, 60, 70, 50, 60, 70, 90, 80, 10], channels: 3 });
});

test('a colour profile changes nothing', async () => {
  const wide = await picture().withIccProfile('p3').png().toBuffer();
  const stored = await sharp(wide, { ignoreIcc: true }).raw().toBuffer();
  expect(await decode(wide)).toMatchObject({ data: [...stored] });
});

test('the orientation that a camera noted is applied before the box is chosen', async () => {
  const turned = await picture().withMetadata({ orientation: 6 }).png().toBuffer(); // to be turned by 90 degrees clockwise
  let seen: number[] = [];
  const top = await decodeImage({
    bytes: turned,
    chooseBox: (width, height) => {
      seen = [width, height];
      return { left: 3, top: 3, width: 1, height: 2 };
    },
  });
  expect(seen).toEqual([4, 8]);
  expect(top).toMatchObject({ data: Buffer.of(255, 0, 0, 0, 0, 255), width: 1, height: 2 });
});

test('colour becomes luma and grey three channels; pixels are reduced to their shorter side', async () => {
  const image = { data: Uint8Array.of(10, 200, 30, 255, 255, 255), width: 2, height: 1, channels: 3 } as const;
  expect(withChannels(image, 1)).toEqual({ data: Uint8Array.of(124, 255), width: 2, height: 1, channels: 1 });
  expect(withChannels(image, 3)).toBe(image);
  expect(withChannels({ ...image, data: Uint8Array.of(1, 2), channels: 1 }, 3).data).toEqual(Uint8Array.of(1, 1, 1, 2, 2, 2));
  const flat = { data: new Uint8Array(30 * 9).fill(7), width: 30, height: 9, channels: 1 } as const;
  expect(reduceImage(flat, 4)).toEqual({ data: new Uint8Array(13 * 4).fill(7), width: 13, height: 4, channels: 1 });
  expect(reduceImage(flat, 9)).toBe(flat);
});

test('what is cut off, empty or no image is broken, with the reason', async () => {
  const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
  const photo = sharp(noise, { raw: { width: 64, height: 64, channels: 3 } });
  const [jpeg, png] = [await photo.jpeg().toBuffer(), await photo.png().toBuffer()];
  for (const bytes of [
    jpeg.subarray(0, jpeg.length / 2),
    png.subarray(0, png.length / 2),
    new Uint8Array(0),
    Buffer.from('not an image'),
  ]) {
    expect(await decode(bytes)).toEqual({ broken: expect.stringMatching(/\S/) });
  }
});

test('an image of more pixels than allowed is broken before it is decoded', async () => {
  const chunk = (type: string, body: Uint8Array) => {
    const typed = Buffer.concat([Buffer.from(type), body]);
    const word = (value: number) => Buffer.from(Uint32Array.of(value).buffer).reverse();
    return Buffer.concat([word(body.length), typed, word(crc32(typed))]);
  };
  const header = Buffer.from([0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20, 8, 2, 0, 0, 0]); // 20000 x 20000, 8-bit RGB
  const bomb = Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', new Uint8Array(8)),
    chunk('IEND', new Uint8Array(0)),
  ]);
  expect(await decode(bomb)).toEqual({ broken: expect.stringContaining('20000 x 20000 pixels, which exceeds the limit of 100000000') });
});

test('the limit of pixels can be set, and is part of the build', async () => {
  const bytes = await picture().png().toBuffer();
  try {
    process.env['MAESTRO_MAX_IMAGE_PIXELS'] = '31';
    expect(await decode(bytes)).toEqual({ broken: expect.stringContaining('8 x 4 pixels, which exceeds the limit of 31') });
    expect(imageBuild().maxImagePixels).toBe(31);
    process.env['MAESTRO_MAX_IMAGE_PIXELS'] = '1e9,';
    expect(() => imageBuild()).toThrow('MAESTRO_MAX_IMAGE_PIXELS: found "1e9,", expected a whole number');
  } finally {
    delete process.env['MAESTRO_MAX_IMAGE_PIXELS'];
  }
  expect(await decode(bytes)).toMatchObject({ width: 8, height: 4 });
});

test('what is no picture of pixels is refused whatever its name, and so is one with a very long side', async () => {
  const drawing = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>');
  expect(await decode(drawing)).toEqual({ broken: expect.stringContaining('format svg, expected one of JPEG') });
  const line = await sharp(new Uint8Array(140_000), { raw: { width: 140_000, height: 1, channels: 1 } })
    .png()
    .toBuffer();
  expect(await decode(line)).toEqual({ broken: expect.stringContaining('140000 x 1 pixels, a side may have 131072') });
});

test('the build names what decides the pixels', () => {
  expect(imageBuild()).toEqual({
    sharp: expect.stringMatching(/^\d+\.\d+/),
    vips: expect.stringMatching(/^8\./),
    imageRule: 2,
    maxImagePixels: 100_000_000,
  });
});
