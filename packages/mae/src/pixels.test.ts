import { expect, test } from '@jest/globals';
import { denormalisePatches, normalisePatches } from './index.ts';

test('normalised patches have mean 0 and unbiased variance 1, and denormalising gives the pixels back', () => {
  const patches = Float32Array.from({ length: 32 }, (_, i) => Math.sin(i * i));
  const normalised = normalisePatches(patches, 16);
  for (const start of [0, 16]) {
    const patch = normalised.subarray(start, start + 16);
    expect(patch.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 5);
    expect(patch.reduce((sum, value) => sum + value * value, 0) / 15).toBeCloseTo(1, 5);
  }
  const restored = denormalisePatches({ prediction: normalised, patches, length: 16 });
  restored.forEach((value, i) => {
    expect(value).toBeCloseTo(patches[i]!, 6);
  });
});
