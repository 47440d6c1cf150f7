import { expect, test } from '@jest/globals';
import { denormalisePatches } from './pixels.ts';

test('predictions of normalised patches become pixels again', () => {
  // Patches of mean 2 and 10, and unbiased variance 1 and 4.
  const patches = Float32Array.of(1, 2, 3, 8, 10, 12);
  const restored = denormalisePatches({ prediction: Float32Array.of(-1, 0, 2, 0, -1, 0.5), patches, length: 3 });
  [1, 2, 4, 10, 8, 11].forEach((value, i) => {
    expect(restored[i]).toBeCloseTo(value, 5);
  });
});
