import { expect, test } from '@jest/globals';
import { releaseMemory } from './releaseMemory.ts';

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('the pages below a view are given back, and nothing beside it', () => {
  const floats = new Float32Array(new SharedArrayBuffer(1 << 24)).fill(1);
  const view = floats.subarray(100_001, 3_000_001);
  releaseMemory(view);
  // A page that is touched again is a new one.
  expect(view[view.length / 2]).toBe(0);
  expect(view.filter((x) => x === 0).length).toBeGreaterThan(view.length - 2048);
  expect(floats.subarray(0, 100_001).every((x) => x === 1)).toBe(true);
  expect(floats.subarray(3_000_001).every((x) => x === 1)).toBe(true);
  releaseMemory(floats.subarray(5, 6));
  expect(floats[5]).toBe(1);
});
