import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { patchify, unpatchify } from './index.ts';

test('patchify puts the channel fastest, then the column, then the row of a patch', () => {
  const images = Float32Array.from({ length: 2 * 4 * 4 }, (_, i) => i); // [1, 2, 4, 4]
  const patches = patchify({ imageSize: 4, patchSize: 2, channels: 2 }, images);
  expect([...patches.subarray(0, 8)]).toEqual([0, 16, 1, 17, 4, 20, 5, 21]);
  expect([...patches.subarray(8, 16)]).toEqual([2, 18, 3, 19, 6, 22, 7, 23]);
  expect([...patches.subarray(16, 18)]).toEqual([8, 24]);
});

test('unpatchify undoes patchify for any geometry', () => {
  const size = fc.integer({ min: 1, max: 4 });
  fc.assert(
    fc.property(size, size, size, size, (grid, patchSize, channels, count) => {
      const geometry = { imageSize: grid * patchSize, patchSize, channels };
      const images = Float32Array.from({ length: count * channels * geometry.imageSize ** 2 }, (_, i) => i);
      return unpatchify(geometry, patchify(geometry, images)).every((value, i) => value === images[i]);
    }),
  );
  expect(() => patchify({ imageSize: 4, patchSize: 2, channels: 1 }, new Float32Array(15))).toThrow('a multiple of 16 elements, found 15');
});
