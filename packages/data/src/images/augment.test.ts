import { expect, test } from '@jest/globals';
import { augmentConfig, drawCrop, drawFlip } from './augment.ts';
import { createPlaneWriter } from './normalisation.ts';

const RANGE = augmentConfig(1);

test('defaults are the recipe of the MAE paper, and each part can be replaced', () => {
  expect(augmentConfig(3)).toEqual({
    scale: [0.2, 1],
    ratio: [3 / 4, 4 / 3],
    flip: true,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  });
  expect(augmentConfig(1, { mean: [0.2], flip: false })).toMatchObject({ mean: [0.2], std: [0.5], flip: false });
});

test.each([
  [{ scale: [0, 1] }, 'augment.scale: found [0,1]'],
  [{ scale: [0.5, 1.1] }, 'augment.scale'],
  [{ ratio: [2, 1] }, 'augment.ratio: found [2,1], allowed is [least, most] with 0 < least <= most'],
  [{ mean: [0, 0, 0] }, 'augment.mean: found [0,0,0], allowed is 1 number(s), one per channel'],
  [{ std: [0] }, 'augment.std'],
] as const)('an option out of its range is refused by name: %j', (overrides, message) => {
  expect(() => augmentConfig(1, overrides)).toThrow(message);
});

test('crop and flip depend on seed, epoch and sample, and on nothing drawn before', () => {
  const image = { width: 640, height: 480 };
  const address = { seed: 3, epoch: 2, index: 77 };
  const crop = drawCrop(address, image, RANGE);
  drawCrop({ ...address, index: 78 }, image, RANGE);
  expect(drawCrop(address, image, RANGE)).toEqual(crop);
  for (const other of [{ seed: 4 }, { epoch: 3 }, { index: 78 }])
    expect(drawCrop({ ...address, ...other }, image, RANGE)).not.toEqual(crop);
  const flips = Array.from({ length: 4000 }, (_, index) => drawFlip({ ...address, index }));
  expect(flips.filter(Boolean).length / flips.length).toBeCloseTo(0.5, 1);
});

test('pixels become normalised planes, mirrored when asked, and grey fills three channels', () => {
  const colour = Uint8Array.of(0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 255); // [2, 2, 3]
  const write = createPlaneWriter(2, { mean: [0, 0.5, 0], std: [1 / 255, 1, 1] });
  const out = new Float32Array(13);
  write(colour, { out, offset: 1, isFlipped: false });
  expect([...out.subarray(0, 5)]).toEqual([0, 0, 30, 60, 90]);
  expect(out[5]).toBeCloseTo(10 / 255 - 0.5, 6);
  expect(out[12]).toBe(1);
  write(colour, { out, offset: 1, isFlipped: true });
  expect([...out.subarray(1, 5)]).toEqual([30, 0, 90, 60]);
  createPlaneWriter(2, { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] })(Uint8Array.of(1, 2, 3, 4), {
    out,
    offset: 0,
    isFlipped: false,
  });
  expect([...out.subarray(0, 12)].map((value) => Math.round(value))).toEqual([1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]);
});

test('each of the 256 values becomes what its formula says, in float32', () => {
  const normalisation = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  const pixels = Uint8Array.from({ length: 3 * 256 }, (_, i) => Math.floor(i / 3));
  const out = new Float32Array(pixels.length);
  createPlaneWriter(16, normalisation)(pixels, { out, offset: 0, isFlipped: false });
  const expected = (value: number, c: number): number => Math.fround((value / 255 - normalisation.mean[c]!) / normalisation.std[c]!);
  for (let c = 0; c < 3; c++) for (let value = 0; value < 256; value++) expect(out[256 * c + value]).toBe(expected(value, c));
});
