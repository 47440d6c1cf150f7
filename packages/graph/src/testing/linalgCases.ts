import * as nn from '../index.ts';
import { input } from './caseInputs.ts';
import type { OpCase } from './opCase.ts';

/** The matrix product of row-major a [m,k] and b [k,n]. */
function product(a: readonly number[], b: readonly number[], m: number, k: number, n: number): number[] {
  return Array.from({ length: m * n }, (_, at) => {
    const [row, column] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let inner = 0; inner < k; inner++) sum += a[row * k + inner]! * b[inner * n + column]!;
    return sum;
  });
}

const transposed = (x: readonly number[], rows: number, columns: number): number[] =>
  Array.from({ length: rows * columns }, (_, at) => x[(at % rows) * columns + Math.floor(at / rows)]!);

function gemmCase(transA: boolean, transB: boolean): OpCase {
  const a = input([2, 3], 1);
  const b = input([3, 4], 2);
  const c = input([4], 3);
  return {
    inputs: {
      a: transA ? { dims: [3, 2], values: transposed(a.values, 2, 3) } : a,
      b: transB ? { dims: [4, 3], values: transposed(b.values, 3, 4) } : b,
      c,
    },
    build: (x, y, z) => nn.gemm(x!, y!, z, { alpha: 0.5, beta: 2, transA, transB }),
    dims: [2, 4],
    values: product(a.values, b.values, 2, 3, 4).map((value, at) => 0.5 * value + 2 * c.values[at % 4]!),
  };
}

/** Cases of matrix products. */
export const linalgCases: Readonly<Record<string, Readonly<Record<string, OpCase>>>> = {
  MatMul: {
    'of matrices': {
      inputs: { a: input(['N', 3], 1), b: input([3, 4], 2) },
      build: (a, b) => nn.matMul(a!, b!),
      dims: ['N', 4],
      values: product(input(['N', 3], 1).values, input([3, 4], 2).values, 2, 3, 4),
    },
    'of batches': {
      inputs: { a: input(['N', 2, 3], 1), b: input(['N', 3, 4], 2) },
      build: (a, b) => nn.matMul(a!, b!),
      dims: ['N', 2, 4],
      values: [0, 1].flatMap((n) =>
        product(input(['N', 2, 3], 1).values.slice(n * 6, n * 6 + 6), input(['N', 3, 4], 2).values.slice(n * 12, n * 12 + 12), 2, 3, 4),
      ),
    },
    'of a batch with a shared matrix': {
      inputs: { a: input(['N', 2, 3], 1), b: input([3, 4], 2) },
      build: (a, b) => nn.matMul(a!, b!),
      dims: ['N', 2, 4],
      values: product(input(['N', 2, 3], 1).values, input([3, 4], 2).values, 4, 3, 4),
    },
    'of a shared matrix with a batch': {
      inputs: { a: input([2, 3], 1), b: input(['N', 3, 4], 2) },
      build: (a, b) => nn.matMul(a!, b!),
      dims: ['N', 2, 4],
      values: [0, 1].flatMap((n) => product(input([2, 3], 1).values, input(['N', 3, 4], 2).values.slice(n * 12, n * 12 + 12), 2, 3, 4)),
    },
  },
  Gemm: {
    plain: gemmCase(false, false),
    'transposed left': gemmCase(true, false),
    'transposed right': gemmCase(false, true),
    'transposed both': gemmCase(true, true),
    'without addend': {
      inputs: { a: input(['N', 3], 1), b: input([3, 4], 2) },
      build: (a, b) => nn.gemm(a!, b!),
      dims: ['N', 4],
      values: product(input(['N', 3], 1).values, input([3, 4], 2).values, 2, 3, 4),
    },
  },
};
