import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { createResampler } from './resample.ts';

/** The image that the reference hashes were made of: byte i is (7919 i + i² mod 251) mod 256. */
const image = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7919 + ((i * i) % 251)) % 256);

// Image.fromarray(image).crop(box).resize((size, size), Image.BICUBIC) of Pillow 13.0, SHA-256 of tobytes().
test.each([
  ['enlarging a grey crop', 32, 32, 1, [3, 2, 20, 24], 32, '6e4fb339ed1367c207ae4975d8bb7ca75c7779b944ae67ad127c2fd06709591f'],
  [
    'a crop of the whole, unchanged in size',
    32,
    32,
    1,
    [0, 0, 32, 32],
    32,
    'fdaa45dcb700f4fb3eebe552aeab51cf9a21cabcf11b3d1ca4a47c25add64f85',
  ],
  ['enlarging a whole image', 28, 28, 1, [0, 0, 28, 28], 32, '38148c468914a6682fca7e24806fc802ece0c6791350a411d49d6d286e28dbcb'],
  ['shrinking a colour crop', 40, 50, 3, [5, 1, 37, 39], 16, 'b9ce2415d28db1216fc6ea10fddc80ad2e86412d01770b1e106d6d6a5b92130a'],
  ['enlarging a few colour pixels', 9, 7, 3, [1, 1, 5, 3], 16, '084de814216e63472929ace28b75064b127a432866635c0a3797c5970ef1b73d'],
] as const)('%s gives the bits that Pillow gives', (_, rows, rowWidth, channels, [left, top, width, height], size, expected) => {
  const out = createResampler().resample(
    image(rows * rowWidth * channels),
    rowWidth,
    channels,
    { left, top, width, height },
    { width: size, height: size },
  );
  expect(createHash('sha256').update(out).digest('hex')).toBe(expected);
});

// The same over sixty boxes of one image, one after the other; Pillow 12.0, which always goes across first (13 goes down first where that
// is less work).
test.each([
  [90, 133, 1, 32, '6315350ebd9d9f834a00b8d9c1cda904fec5af586ef0eccf9282f12cbd476fa1'],
  [90, 133, 3, 24, '860e8019efcfcbe15561ec3d51a56fa606c90bdf0b6c8162f405caaaa07cd20e'],
  [300, 260, 3, 64, 'a94ee30615047094be5aadc5260bb465a52669c134aaf50455ede150319e2678'],
] as const)(
  'boxes of every shape in %i rows of %i pixels of %i bytes give those bits, made %i wide',
  (rows, rowWidth, channels, size, expected) => {
    const pixels = image(rows * rowWidth * channels);
    const resampler = createResampler();
    const hash = createHash('sha256');
    for (let k = 0; k < 60; k++) {
      const height = 1 + ((k * 37) % rows);
      const width = 1 + ((k * 53) % rowWidth);
      const [top, left] = [(k * 11) % (rows - height + 1), (k * 7) % (rowWidth - width + 1)];
      hash.update(resampler.resample(pixels, rowWidth, channels, { left, top, width, height }, { width: size, height: size }));
    }
    expect(hash.digest('hex')).toBe(expected);
  },
);

test('a resampler gives the same bits after other boxes and images', () => {
  const pixels = image(32 * 32);
  const box = { left: 3, top: 2, width: 20, height: 24 };
  const size = { width: 16, height: 16 };
  const fresh = createResampler().resample(pixels, 32, 1, box, size).slice();
  const resampler = createResampler();
  resampler.resample(image(32 * 32 * 3), 32, 3, { left: 0, top: 0, width: 32, height: 32 }, size);
  resampler.resample(pixels, 32, 1, box, { width: 7, height: 16 });
  expect(resampler.resample(pixels, 32, 1, box, size)).toEqual(fresh);
});
