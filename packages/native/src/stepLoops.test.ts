import { beforeAll, describe, expect, test } from '@jest/globals';
import { blockSumSquares, openArena, openKernels, SUM_SQUARES_BLOCK, webAssembly } from '@maestro/kernels';
import { openUpdateKernels } from '@maestro/optim';
import type { NativeLibrary } from './nativeLibrary.ts';
import { prepareNative } from './openNative.ts';
import { formulaFloats } from './testVectors.ts';

const onLibrary = (await prepareNative()) === undefined ? describe.skip : describe;
let library: NativeLibrary;

beforeAll(async () => {
  library = (await prepareNative())!;
});

/** A length that no vector divides, cut where no vector ends. */
const LENGTH = 1003;
const CUTS = [0, 77, 512, LENGTH];

/** Numbers of all magnitudes: denormals, zeros of both signs, infinities and NaN among them. */
function numbers(seed: number, isPositive = false): Float32Array {
  const scale = formulaFloats(LENGTH, seed + 100);
  const floats = formulaFloats(LENGTH, seed).map((x, i) => x * 2 ** Math.round(scale[i]! * 140));
  floats.set([0, -0, 1e-40, -1e-45, Infinity, NaN, 3e38], 13 * seed);
  return isPositive ? floats.map(Math.abs) : floats;
}

/** Bits, with one pattern for every NaN: WebAssembly leaves its payload open. */
const bits = (floats: Float32Array): Uint32Array => new Uint32Array(floats.map((x) => (Number.isNaN(x) ? NaN : x)).buffer);

/** A memory with vectors one after the other, as the WebAssembly kernels see them. */
function memoryOf(...vectors: readonly Float32Array[]) {
  const memory = new webAssembly.Memory({ initial: 1, maximum: 1, shared: false });
  const floats = new Float32Array(memory.buffer);
  const at = vectors.map((vector, i) => {
    floats.set(vector, i * 1024);
    return i * 4096;
  });
  return { memory, at, vector: (i: number) => floats.slice(i * 1024, i * 1024 + vectors[i]!.length) };
}

const ranges = CUTS.slice(1).map((end, i) => [CUTS[i]!, end] as const);

onLibrary('the loops of the step', () => {
  test('add has the bits of its kernel', () => {
    const [a, b] = [numbers(1), numbers(2)];
    const sums = memoryOf(a, b);
    openKernels(sums.memory).add(sums.at[0]!, sums.at[0]!, sums.at[1]!, LENGTH);
    library.add(a, a, b);
    expect(bits(a)).toEqual(bits(sums.vector(0)));
  });

  test.each([1, 2, 5])('whole vectors in shared memory by %d threads have the same bits', (threads) => {
    const length = 3 * SUM_SQUARES_BLOCK + 77;
    const arena = openArena({ ranges: { values: length, others: length }, shared: true });
    arena.ranges.values.set(formulaFloats(length, 1));
    arena.ranges.others.set(formulaFloats(length, 2));
    const vector = { length, parts: [{ start: 0, floats: arena.ranges.values, arena }] };
    const [expected, sums] = [new Float64Array(4), new Float64Array(4)];
    blockSumSquares(vector, 0, length, expected);
    library.blockSquares(arena.ranges.values, SUM_SQUARES_BLOCK, sums, threads);
    expect(sums).toEqual(expected);
    const total = arena.ranges.values.map((x, i) => x + arena.ranges.others[i]!);
    library.add(arena.ranges.values, arena.ranges.values, arena.ranges.others, threads);
    expect(Buffer.from(arena.ranges.values.slice().buffer).equals(Buffer.from(total.buffer))).toBe(true);
    expect(() => library.blockSquares(arena.ranges.values, SUM_SQUARES_BLOCK, new Float64Array(3), threads)).toThrow('3 sums for blocks');
  });

  test.each([
    ['adamW', [0.7, 0.99, 0.1, 0.95, 0.05, 0.3, 1e-8, -1e-3], [0.7, 0.9, 0.75, 0.9, 0.05, 0.3, 1e-8, -1e-3]],
    ['sgd', [0.7, 0.01, 0.5, 0.9, -1e-2], [0.7, 0.9, 0.75, 0.9, 0.05]],
    ['nesterov', [0.7, 0.01, 1, 0.9, -1e-2], [0.7, 0.9, 0.75, 0.9, 0.05]],
  ] as const)('%s in pieces, each with its scalars, has the bits of the WebAssembly kernel by any threads', (rule, first, second) => {
    const scalars = [Float32Array.from(first), Float32Array.from(second)];
    const open = () => {
      const vectors = [numbers(1), numbers(2), numbers(3), numbers(4, true)] as const;
      const pieces = ranges.map(([from, to], i) => {
        const [parameters, gradient, firstMoments, secondMoments] = vectors.map((each) => each.subarray(from, to)) as Float32Array[];
        const state = { parameters: parameters!, gradient: gradient!, firstMoments: firstMoments! };
        return { ...state, ...(rule === 'adamW' && { secondMoments: secondMoments! }), scalars: scalars[i % 2]! };
      });
      return { vectors, pieces };
    };
    const { memory, at, vector } = memoryOf(...open().vectors, ...scalars);
    for (const [i, [from, to]] of ranges.entries()) {
      const [p, g, m, v] = at.map((address) => address + 4 * from) as [number, number, number, number];
      openUpdateKernels(memory)[rule](p, g, m, v, to - from, at[4 + (i % 2)]!);
    }
    for (const threads of [1, 2, 8]) {
      const { vectors, pieces } = open();
      library.prepareStep(rule, pieces, threads)();
      expect([0, 2, 3].map((i) => bits(vectors[i as 0]))).toEqual([0, 2, 3].map((i) => bits(vector(i))));
    }
  });
});
