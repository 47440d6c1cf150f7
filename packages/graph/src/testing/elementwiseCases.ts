import * as nn from '../index.ts';
import { bools, input, positive } from './caseInputs.ts';
import type { OpCase } from './opCase.ts';

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

const matrix = input(['N', 4]);

/** Cases of operators on elements. */
export const elementwiseCases: Readonly<Record<string, Readonly<Record<string, OpCase>>>> = {
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
};
