import { expect, test } from '@jest/globals';
import { copyFloats, openSegments, planSegments, SUM_SQUARES_BLOCK } from '@maestro/kernels';
import { prepareNative } from '@maestro/native';
import { openStepLoops } from './stepLoops.ts';

const library = (await prepareNative())?.path;
const onLibrary = library === undefined ? test.skip : test;

/** A vector of tensors of these lengths, each in a memory of its own. */
function vectorsOf(lengths: readonly number[]) {
  const tensors = lengths.map((_, i) => ({ name: `t${i}`, offset: lengths.slice(0, i).reduce((sum, each) => sum + each, 0) }));
  const length = lengths.reduce((sum, each) => sum + each, 0);
  const plan = planSegments({ length, tensors, maxFloats: Math.max(...lengths) });
  const { vectors } = openSegments({ plan, vectors: ['a', 'b'] });
  copyFloats(
    vectors.a,
    Float32Array.from({ length }, (_, i) => Math.sin(i) * 10 ** ((i % 60) - 30)),
  );
  copyFloats(
    vectors.b,
    Float32Array.from({ length }, (_, i) => Math.cos(i)),
  );
  return vectors;
}

onLibrary.each([
  [[SUM_SQUARES_BLOCK]],
  [[2 * SUM_SQUARES_BLOCK + 77]],
  // Blocks that two and three parts have, and a part that ends where a block does.
  [[SUM_SQUARES_BLOCK + 800, SUM_SQUARES_BLOCK - 800, 2 * SUM_SQUARES_BLOCK + 8, 3 * SUM_SQUARES_BLOCK + 1]],
  [[SUM_SQUARES_BLOCK - 8, 16, 3 * SUM_SQUARES_BLOCK - 64, SUM_SQUARES_BLOCK]],
])('parts of %j floats: sums of squares and of vectors have the bits of WebAssembly', (lengths) => {
  const results = [openStepLoops({ threads: 1 }), ...[1, 2, 3].map((threads) => openStepLoops({ library: library!, threads }))].map(
    (loops) => {
      const { a, b } = vectorsOf(lengths);
      const sums = new Float64Array(Math.ceil(a.length / SUM_SQUARES_BLOCK));
      loops.blockSumSquares(a, sums);
      loops.add(a, b);
      const total = new Float32Array(a.length);
      copyFloats(total, a);
      return { isNative: loops.prepare !== undefined, sums, bytes: Buffer.from(total.buffer) };
    },
  );
  expect(results.map(({ isNative }) => isNative)).toEqual([false, true, true, true]);
  for (const { sums, bytes } of results) {
    expect(sums).toEqual(results[0]!.sums);
    expect(bytes.equals(results[0]!.bytes)).toBe(true);
  }
});
