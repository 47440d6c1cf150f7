import type { Dims } from '../dim.ts';
import * as nn from '../index.ts';
import { input } from './caseInputs.ts';
import type { OpCase } from './opCase.ts';

/** Sums or means of [N,3,4] over `axes`, by enumerating the elements. */
function reduceCases(
  build: typeof nn.reduceSum,
  finish: (values: number[]) => number,
  extra: Partial<OpCase> = {},
): Record<string, OpCase> {
  const x = input(['N', 3, 4]);
  const groups = (key: (n: number, l: number, c: number) => string): number[] => {
    const found = new Map<string, number[]>();
    x.values.forEach((value, at) => {
      const name = key(Math.floor(at / 12), Math.floor(at / 4) % 3, at % 4);
      found.set(name, [...(found.get(name) ?? []), value]);
    });
    return [...found.values()].map(finish);
  };
  const reduceCase = (options: nn.ReduceOptions, dims: Dims, key: (n: number, l: number, c: number) => string): OpCase => ({
    inputs: { x },
    build: (tensor) => build(tensor!, options),
    dims,
    values: groups(key),
    ...extra,
  });
  return {
    'over everything': reduceCase({}, [], () => ''),
    'over the last axis': reduceCase({ axes: [-1] }, ['N', 3], (n, l) => `${n},${l}`),
    'over the last axis, kept': reduceCase({ axes: [2], keepDims: true }, ['N', 3, 1], (n, l) => `${n},${l}`),
    'over a symbolic axis': reduceCase({ axes: [0] }, [3, 4], (_, l, c) => `${l},${c}`),
    'over two axes': reduceCase({ axes: [0, 1] }, [4], (_n, _l, c) => `${c}`),
  };
}

function softmaxRows(values: readonly number[], width: number): number[] {
  return values.map((value, at) => {
    const start = at - (at % width);
    const total = values.slice(start, start + width).reduce((sum, other) => sum + Math.exp(other), 0);
    return Math.exp(value) / total;
  });
}

const matrix = input(['N', 4]);

/** Cases of operators that reduce axes, and of softmax. */
export const reductionCases: Readonly<Record<string, Readonly<Record<string, OpCase>>>> = {
  ReduceSum: reduceCases(nn.reduceSum, (values) => values.reduce((sum, value) => sum + value, 0)),
  ReduceMean: reduceCases(nn.reduceMean, (values) => values.reduce((sum, value) => sum + value, 0) / values.length),
  ReduceMax: reduceCases(nn.reduceMax, (values) => Math.max(...values), { wrt: [] }),
  ArgMax: {
    '': {
      inputs: { x: { dims: [2, 3], values: [1, 5, 2, 9, 4, 8] } },
      build: (x) => nn.argMax(x!, { axis: -1 }),
      dims: [2],
      values: [1, 0],
      wrt: [],
    },
  },
  Softmax: { '': { inputs: { x: matrix }, build: (x) => nn.softmax(x!), dims: ['N', 4], values: softmaxRows(matrix.values, 4) } },
  LogSoftmax: {
    '': { inputs: { x: matrix }, build: (x) => nn.logSoftmax(x!), dims: ['N', 4], values: softmaxRows(matrix.values, 4).map(Math.log) },
  },
};
