import { expect, test } from '@jest/globals';
import { runtimeBuild } from './index.ts';

test('the runtime build names what decides bits: ONNX Runtime, platform, vector instructions', () => {
  const build = runtimeBuild();
  expect(build.ort).toBe('1.29.0');
  expect(build.platform).toBe(`${process.platform}/${process.arch}`);
  expect(build.instructions).not.toBe('');
  expect(runtimeBuild()).toEqual(build);
});
