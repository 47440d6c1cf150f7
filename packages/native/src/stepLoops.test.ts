import { beforeAll, describe, expect, test } from '@jest/globals';
import { openJavaScriptKernels, openKernels, webAssembly } from '@maestro/kernels';
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
  test.each([
    ['adamW', [0.7, 0.99, 0.1, 0.95, 0.05, 0.3, 1e-8, -1e-3]],
    ['sgd', [0.7, 0.01, 0.5, 0.9, -1e-2]],
    ['nesterov', [0.7, 0.01, 1, 0.9, -1e-2]],
  ] as const)('%s has the bits of the WebAssembly kernel, however the vectors are cut, and a copy as bfloat16', (rule, values) => {
    const scalars = Float32Array.from(values);
    const [parameters, gradient, firstMoments, secondMoments] = [numbers(1), numbers(2), numbers(3), numbers(4, true)];
    const { memory, at, vector } = memoryOf(parameters, gradient, firstMoments, secondMoments, scalars);
    openUpdateKernels(memory)[rule](at[0]!, at[1]!, at[2]!, at[3]!, LENGTH, at[4]!);
    const copy = new Uint16Array(LENGTH);
    for (const [from, to] of ranges) {
      const state = {
        parameters: parameters.subarray(from, to),
        gradient: gradient.subarray(from, to),
        firstMoments: firstMoments.subarray(from, to),
        secondMoments: secondMoments.subarray(from, to),
        copy: copy.subarray(from, to),
      };
      if (rule === 'adamW') library.adamW(state, scalars);
      else library.sgd(state, scalars, rule === 'nesterov');
    }
    expect([bits(parameters), bits(firstMoments), bits(secondMoments)]).toEqual([bits(vector(0)), bits(vector(2)), bits(vector(3))]);
    const packed = memoryOf(parameters, new Float32Array(LENGTH));
    openKernels(packed.memory).packBfloat16(packed.at[1]!, packed.at[0]!, LENGTH);
    const same = [...copy].filter((half, i) => half === new Uint16Array(packed.memory.buffer, 4096)[i] || Number.isNaN(parameters[i]));
    expect(same.length).toBe(LENGTH);
  });

  test('sumSquares and add have the bits of their kernels', () => {
    const [a, b] = [numbers(1), numbers(2)];
    const finite = formulaFloats(LENGTH, 5);
    const { memory, at } = memoryOf(finite);
    openJavaScriptKernels(memory).sumSquares(at[0]!, LENGTH, 32_768);
    const lanes = new Float64Array(8);
    library.sumSquares(finite.subarray(0, 512), lanes);
    library.sumSquares(finite.subarray(512), lanes);
    expect(lanes).toEqual(new Float64Array(memory.buffer, 32_768, 8));
    const sums = memoryOf(a, b);
    openKernels(sums.memory).add(sums.at[0]!, sums.at[0]!, sums.at[1]!, LENGTH);
    library.add(a, a, b);
    expect(bits(a)).toEqual(bits(sums.vector(0)));
  });
});
