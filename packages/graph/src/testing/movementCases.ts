import * as nn from '../index.ts';
import { counted, input, ints } from './caseInputs.ts';
import type { OpCase } from './opCase.ts';

const matrix = input(['N', 4]);
const grid = counted(['N', 3, 4]);

/** Cases of operators that move elements. */
export const movementCases: Readonly<Record<string, Readonly<Record<string, OpCase>>>> = {
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
