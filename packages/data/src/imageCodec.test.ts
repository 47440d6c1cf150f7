import { crc32 } from 'node:zlib';
import { expect, test } from '@jest/globals';
import sharp from 'sharp';
import { decodeSquare, imageBuild } from './imageCodec.ts';

/** 8 x 4 pixels: the left half red, the right half blue. */
const halves = Uint8Array.from({ length: 8 * 4 * 3 }, (_, i) => {
  const isLeft = Math.floor(i / 3) % 8 < 4;
  return i % 3 === (isLeft ? 0 : 2) ? 255 : 0;
});
const picture = () => sharp(halves, { raw: { width: 8, height: 4, channels: 3 } });
const whole = (width: number, height: number) => ({ left: 0, top: 0, width, height });
const decode = (bytes: Uint8Array, channels: 1 | 3 = 3, chooseBox = whole) => decodeSquare({ bytes, size: 2, channels, chooseBox });

test.each(['png', 'webp', 'tiff', 'gif'] as const)('%s decodes to the box, resized', async (format) => {
  const bytes = await picture().toFormat(format, { lossless: true, compression: 'lzw' }).toBuffer();
  const left = await decode(bytes, 3, () => ({ left: 0, top: 0, width: 2, height: 4 }));
  expect([...(left as Uint8Array)]).toEqual([255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0]);
});

test('grey files become three equal channels, and colour becomes grey', async () => {
  const grey = await sharp(Uint8Array.of(9, 9, 200, 200), { raw: { width: 2, height: 2, channels: 1 } })
    .png()
    .toBuffer();
  expect([...((await decode(grey)) as Uint8Array)]).toEqual([9, 9, 9, 9, 9, 9, 200, 200, 200, 200, 200, 200]);
  expect([...((await decode(grey, 1)) as Uint8Array)]).toEqual([9, 9, 200, 200]);
  expect(await decode(await picture().png().toBuffer(), 1)).toHaveLength(4);
});

test('alpha is dropped and sixteen bits become eight', async () => {
  const alpha = await sharp(Uint8Array.of(50, 60, 70, 255), { raw: { width: 1, height: 1, channels: 4 } })
    .png()
    .toBuffer();
  expect([...((await decode(alpha)) as Uint8Array).subarray(0, 3)]).toEqual([50, 60, 70]);
  const deep = await picture().toColourspace('rgb16').png().toBuffer();
  expect(await decode(deep)).toHaveLength(12);
});

test('the orientation that a camera noted is applied before the box is chosen', async () => {
  const turned = await picture().withMetadata({ orientation: 6 }).png().toBuffer(); // to be turned by 90 degrees clockwise
  let seen: number[] = [];
  const top = await decode(turned, 3, (width, height) => {
    seen = [width, height];
    return { left: 0, top: 0, width: 4, height: 2 };
  });
  expect(seen).toEqual([4, 8]);
  expect([...(top as Uint8Array)]).toEqual([255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0]);
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
  expect(await decode(bomb)).toEqual({ broken: expect.stringContaining('exceeds pixel limit') });
});

test('the build names the versions that decide the pixels', () => {
  expect(imageBuild()).toEqual({ sharp: expect.stringMatching(/^\d+\.\d+/), vips: expect.stringMatching(/^8\./) });
});
