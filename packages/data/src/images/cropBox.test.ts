import { expect, test } from '@jest/globals';
import { type RandomStream, randomStream } from '@maestro/random';
import fc from 'fast-check';
import { centralCropBox, randomCropBox } from './cropBox.ts';

const RANGE = { scale: [0.2, 1], ratio: [3 / 4, 4 / 3] } as const;

/** A stream that repeats the given uniform draws. */
function repeating(...draws: number[]): RandomStream {
  let at = 0;
  return { ...randomStream({ seed: 0, purpose: 'crop' }), uniform: () => draws[at++ % draws.length]! };
}

test('a random crop is the one that torchvision computes from the same draws', () => {
  const box = (width: number, height: number, ...draws: number[]) => randomCropBox(width, height, RANGE, repeating(...draws));
  expect(box(32, 32, 0.5, 0.5, 0.25, 0.75)).toEqual({ left: 6, top: 2, width: 25, height: 25 });
  expect(box(500, 375, 0.9, 0.1, 0.5, 0.99)).toEqual({ left: 11, top: 76, width: 386, height: 291 });
  // The first try is too wide; the second one fits.
  expect(box(32, 32, 0.999, 0.999, 0.3, 0.1, 0.5, 0.6)).toEqual({ left: 8, top: 4, width: 19, height: 24 });
});

test('when ten tries do not fit, the crop is the largest central one within the ratios', () => {
  expect(randomCropBox(1000, 100, RANGE, repeating(0.9, 0.5))).toEqual({ left: 433, top: 0, width: 133, height: 100 });
  expect(randomCropBox(100, 1001, RANGE, repeating(0.9, 0.5))).toEqual({ left: 0, top: 434, width: 100, height: 133 });
});

test('every crop lies inside its image, whatever the image and the draws', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 700 }), fc.integer({ min: 1, max: 700 }), fc.nat(), (width, height, index) => {
      const crop = randomCropBox(width, height, RANGE, randomStream({ seed: 1, purpose: 'crop', index }));
      return (
        crop.width >= 1 &&
        crop.height >= 1 &&
        crop.left >= 0 &&
        crop.top >= 0 &&
        crop.left + crop.width <= width &&
        crop.top + crop.height <= height
      );
    }),
  );
});

test('the central crop is a square of the asked share of the shorter side', () => {
  expect(centralCropBox(500, 375, 224 / 256)).toEqual({ left: 86, top: 23, width: 328, height: 328 });
  expect(centralCropBox(1, 9, 0.3)).toEqual({ left: 0, top: 4, width: 1, height: 1 });
});
