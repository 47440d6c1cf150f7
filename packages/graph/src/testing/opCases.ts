import type { Dims } from '../dim.ts';
import * as nn from '../index.ts';
import { type CaseInput, concreteShape, type OpCase, samples } from './opCase.ts';

const sizeOf = (dims: Dims) => concreteShape(dims).reduce((product, size) => product * size, 1);
const input = (dims: Dims, seed = 1): CaseInput => ({ dims, values: samples(sizeOf(dims), { seed }) });
const positive = (dims: Dims, seed = 1): CaseInput => ({ dims, values: samples(sizeOf(dims), { seed, isPositive: true }) });
const bools = (dims: Dims, values: readonly number[]): CaseInput => ({ dims, dtype: 'bool', values });
const ints = (dims: Dims, values: readonly number[]): CaseInput => ({ dims, dtype: 'int64', values });

/** Elements counting from 0, for ops that only move them. */
const counted = (dims: Dims): CaseInput => ({ dims, values: Array.from({ length: sizeOf(dims) }, (_, at) => at) });

/** Case for a one-operand op, checked against the same function in JavaScript. */
function unaryCase(build: OpCase['build'], reference: (x: number) => number, extra: Partial<OpCase> = {}): OpCase {
  const x = positive(['N', 3]);
  return { inputs: { x }, build, dims: ['N', 3], values: x.values.map(reference), ...extra };
}

/** Cases for a two-operand op: operands of one shape, and [N,3] with [3] and a number with [N,3] for broadcasting. */
function binaryCases(
  build: (a: nn.Operand, b: nn.Operand) => nn.Tensor,
  reference: (a: number, b: number) => number,
  extra: Partial<OpCase> = {},
): Record<string, OpCase> {
  const a = positive(['N', 3], 1);
  const same = positive(['N', 3], 2);
  const row = positive([3], 3);
  const column = positive(['N', 1], 4);
  const build2: OpCase['build'] = (x, y) => build(x!, y!);
  const plain = (value: number | boolean) => Number(value);
  return {
    'of one shape': {
      inputs: { a, b: same },
      build: build2,
      dims: ['N', 3],
      values: a.values.map((x, at) => plain(reference(x, same.values[at]!))),
      ...extra,
    },
    'against a row': {
      inputs: { a, b: row },
      build: build2,
      dims: ['N', 3],
      values: a.values.map((x, at) => plain(reference(x, row.values[at % 3]!))),
      ...extra,
    },
    'row against column': {
      inputs: { a: row, b: column },
      build: build2,
      dims: ['N', 3],
      values: column.values.flatMap((y) => row.values.map((x) => plain(reference(x, y)))),
      ...extra,
    },
    'against a number': {
      inputs: { a },
      build: (x) => build(x!, 0.75),
      dims: ['N', 3],
      values: a.values.map((x) => plain(reference(x, 0.75))),
      ...(extra.wrt && { wrt: extra.wrt.filter((name) => name === 'a') }),
    },
  };
}

function logicalCase(build: (a: nn.Tensor, b: nn.Tensor) => nn.Tensor, values: readonly number[]): Record<string, OpCase> {
  const inputs = { a: bools([4], [0, 0, 1, 1]), b: bools([4], [0, 1, 0, 1]) };
  return { 'truth table': { inputs, build: (a, b) => build(a!, b!), dims: [4], values } };
}

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

function softmaxRows(values: readonly number[], width: number): number[] {
  return values.map((value, at) => {
    const start = at - (at % width);
    const total = values.slice(start, start + width).reduce((sum, other) => sum + Math.exp(other), 0);
    return Math.exp(value) / total;
  });
}

const matrix = input(['N', 4]);
const grid = counted(['N', 3, 4]);

/** Cases by ONNX op name; every row of the op table must be here. */
export const opCases: Readonly<Record<string, Readonly<Record<string, OpCase>>>> = {
  Add: binaryCases(nn.add, (a, b) => a + b),
  Sub: binaryCases(nn.sub, (a, b) => a - b),
  Mul: binaryCases(nn.mul, (a, b) => a * b),
  Div: binaryCases(nn.div, (a, b) => a / b),
  Pow: binaryCases(nn.pow, (a, b) => a ** b, { wrt: ['a'] }),
  Max: binaryCases(nn.max, Math.max),
  Min: binaryCases(nn.min, Math.min),
  Neg: {
    '': unaryCase(
      (x) => nn.neg(x!),
      (x) => -x,
    ),
  },
  Reciprocal: {
    '': unaryCase(
      (x) => nn.reciprocal(x!),
      (x) => 1 / x,
    ),
  },
  Sqrt: { '': unaryCase((x) => nn.sqrt(x!), Math.sqrt) },
  Exp: { '': unaryCase((x) => nn.exp(x!), Math.exp) },
  Log: { '': unaryCase((x) => nn.log(x!), Math.log) },
  Tanh: { '': unaryCase((x) => nn.tanh(x!), Math.tanh) },
  // Abramowitz & Stegun, table 7.1.
  Erf: {
    '': {
      inputs: { x: { dims: [4], values: [0, 0.5, 1, -2] } },
      build: (x) => nn.erf(x!),
      dims: [4],
      values: [0, 0.5204998778, 0.8427007929, -0.995322265],
      precision: 'float32',
    },
  },
  Identity: {
    '': unaryCase(
      (x) => nn.identity(x!),
      (x) => x,
    ),
  },
  Cast: {
    'to whole numbers': {
      inputs: { x: { dims: [4], values: [1.75, -1.75, 0, 3] } },
      build: (x) => nn.cast(x!, 'int64'),
      dims: [4],
      values: [1, -1, 0, 3],
      wrt: [],
    },
    'from float32 to float64': {
      inputs: { x: { dims: [3], values: [0.5, -2, 1.25] } },
      build: (x) => nn.cast(x!, 'float64'),
      dims: [3],
      values: [0.5, -2, 1.25],
      precision: 'float32',
    },
  },
  Where: {
    'of two tensors': {
      inputs: { condition: bools(['N', 1], [1, 0]), a: matrix, b: input([4], 2) },
      build: (condition, a, b) => nn.where(condition!, a!, b!),
      dims: ['N', 4],
      values: [...matrix.values.slice(0, 4), ...input([4], 2).values],
    },
    'of a tensor and a number': {
      inputs: { condition: bools([4], [1, 0, 0, 1]), a: matrix },
      build: (condition, a) => nn.where(condition!, a!, 7),
      dims: ['N', 4],
      values: matrix.values.map((value, at) => (at % 4 === 0 || at % 4 === 3 ? value : 7)),
    },
  },
  Equal: binaryCases(nn.equal, (a, b) => Number(a === b), { wrt: [] }),
  Greater: binaryCases(nn.greater, (a, b) => Number(a > b), { wrt: [] }),
  GreaterOrEqual: binaryCases(nn.greaterOrEqual, (a, b) => Number(a >= b), { wrt: [] }),
  Less: binaryCases(nn.less, (a, b) => Number(a < b), { wrt: [] }),
  LessOrEqual: binaryCases(nn.lessOrEqual, (a, b) => Number(a <= b), { wrt: [] }),
  And: logicalCase(nn.and, [0, 0, 0, 1]),
  Or: logicalCase(nn.or, [0, 1, 1, 1]),
  Not: { '': { inputs: { x: bools([2], [0, 1]) }, build: (x) => nn.not(x!), dims: [2], values: [1, 0] } },

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

  Reshape: {
    'with a hole': { inputs: { x: grid }, build: (x) => nn.reshape(x!, [-1, 4]), dims: ['3*N', 4], values: grid.values },
    'splitting a product again': {
      inputs: { x: grid },
      build: (x) => nn.reshape(nn.reshape(x!, ['N*12']), ['N', 3, 2, 2]),
      dims: ['N', 3, 2, 2],
      values: grid.values,
    },
    'with two symbols in their places': {
      inputs: { x: counted(['N', 'L', 4]) },
      build: (x) => nn.reshape(x!, ['N', 'L', 2, 2]),
      dims: ['N', 'L', 2, 2],
      values: counted(['N', 'L', 4]).values,
    },
    'with two symbols that move': {
      inputs: { x: counted(['N', 'L', 4]) },
      build: (x) => nn.reshape(x!, [4, 'L', 'N']),
      dims: [4, 'L', 'N'],
      values: counted(['N', 'L', 4]).values,
    },
    'to a product of symbols': {
      inputs: { x: counted(['N', 'L', 4]) },
      build: (x) => nn.reshape(x!, ['L*N', 4]),
      dims: ['L*N', 4],
      values: counted(['N', 'L', 4]).values,
    },
  },
  Transpose: {
    '': {
      inputs: { x: grid },
      build: (x) => nn.transpose(x!, [2, 0, 1]),
      dims: [4, 'N', 3],
      values: Array.from({ length: 24 }, (_, at) => (at % 6) * 4 + Math.floor(at / 6)),
    },
    'of the last two axes': {
      inputs: { x: counted([2, 3]) },
      build: (x) => nn.swapLastAxes(x!),
      dims: [3, 2],
      values: [0, 3, 1, 4, 2, 5],
    },
  },
  Concat: {
    '': {
      inputs: { a: counted(['N', 1]), b: counted(['N', 2]) },
      build: (a, b) => nn.concat([a!, b!], -1),
      dims: ['N', 3],
      values: [0, 0, 1, 1, 2, 3],
    },
    'of a part with itself': {
      inputs: { a: counted(['N', 1]) },
      build: (a) => nn.concat([a!, a!], 1),
      dims: ['N', 2],
      values: [0, 0, 1, 1],
    },
  },
  Split: {
    'with every part used': {
      inputs: { x: counted(['N', 3]) },
      build: (x) => {
        const [left, right] = nn.split(x!, { axis: -1, sizes: [1, 2] });
        return nn.add(left!, right!);
      },
      dims: ['N', 2],
      values: [1, 2, 7, 8],
    },
    'with a part unused': {
      inputs: { x: counted(['N', 3]) },
      build: (x) => nn.split(x!, { axis: 1, sizes: [1, 2] })[1]!,
      dims: ['N', 2],
      values: [1, 2, 4, 5],
    },
  },
  Slice: {
    'with a gradient': {
      inputs: { x: counted(['N', 4]) },
      build: (x) => nn.slice(x!, { axis: 1, start: 1, end: -1 }),
      dims: ['N', 2],
      values: [1, 2, 5, 6],
    },
    'with a stride': {
      inputs: { x: counted(['N', 4]) },
      build: (x) => nn.slice(x!, { axis: 1, start: 1, step: 2 }),
      dims: ['N', 2],
      values: [1, 3, 5, 7],
      wrt: [],
    },
  },
  Pad: {
    '': {
      inputs: { x: counted(['N', 2]) },
      build: (x) => nn.pad(x!, { axis: -1, before: 1, after: 2 }),
      dims: ['N', 5],
      values: [0, 0, 1, 0, 0, 0, 2, 3, 0, 0],
    },
  },
  Expand: {
    'along a symbol that an input binds': {
      inputs: { x: counted([1, 2]), y: counted(['N', 1]) },
      build: (x) => nn.expand(x!, ['N', 2]),
      dims: ['N', 2],
      values: [0, 1, 0, 1],
      wrt: ['x'],
    },
    'along a product': {
      inputs: { x: counted([1, 2]), y: counted(['N', 'L']) },
      build: (x) => nn.expand(x!, ['2*L*N', 2]),
      dims: ['2*L*N', 2],
      values: Array.from({ length: 24 }, (_, at) => at % 2),
      wrt: ['x'],
    },
    'with a symbol kept': {
      inputs: { x: counted(['N', 1]) },
      build: (x) => nn.expand(x!, [2, 'N', 2]),
      dims: [2, 'N', 2],
      values: [0, 0, 1, 1, 0, 0, 1, 1],
    },
    'before a product that broadcasts by itself': {
      inputs: { x: input([1, 4], 2), y: matrix },
      build: (x, y) => nn.mul(nn.mul(nn.expand(x!, ['N', 4]), 2), y!),
      dims: ['N', 4],
      values: matrix.values.map((value, at) => 2 * value * input([1, 4], 2).values[at % 4]!),
    },
  },
  Squeeze: { '': { inputs: { x: counted(['N', 1, 2]) }, build: (x) => nn.squeeze(x!, [1]), dims: ['N', 2], values: [0, 1, 2, 3] } },
  Unsqueeze: {
    '': { inputs: { x: counted(['N', 2]) }, build: (x) => nn.unsqueeze(x!, [0, -1]), dims: [1, 'N', 2, 1], values: [0, 1, 2, 3] },
  },
  Gather: {
    '': {
      inputs: { x: counted([3, 2]), ids: ints(['N', 2], [2, 0, 1, 1]) },
      build: (x, ids) => nn.gather(x!, ids!),
      dims: ['N', 2, 2],
      values: [4, 5, 0, 1, 2, 3, 2, 3],
      wrt: [],
    },
  },
  GatherElements: {
    '': {
      inputs: { x: counted(['N', 3]), ids: ints(['N', 2], [2, 0, 1, 1]) },
      build: (x, ids) => nn.gatherElements(x!, ids!, 1),
      dims: ['N', 2],
      values: [2, 0, 4, 4],
      wrt: [],
    },
  },
  GatherND: {
    '': {
      inputs: { x: counted(['N', 3, 2]), ids: ints(['N', 1, 1], [2, 0]) },
      build: (x, ids) => nn.gatherND(x!, ids!, 1),
      dims: ['N', 1, 2],
      values: [4, 5, 6, 7],
      wrt: [],
    },
  },
  Shape: { '': { inputs: { x: counted(['N', 3]) }, build: (x) => nn.shapeOf(x!), dims: [2], values: [2, 3], wrt: [] } },
  Range: {
    'up to a number': { inputs: { x: counted([1]) }, build: (x) => nn.range(x!.graph, 3), dims: [3], values: [0, 1, 2], wrt: [] },
    'up to a symbol': { inputs: { x: counted(['N']) }, build: (x) => nn.range(x!.graph, 'N'), dims: ['N'], values: [0, 1], wrt: [] },
  },
};
