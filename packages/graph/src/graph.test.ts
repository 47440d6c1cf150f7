import { expect, test } from '@jest/globals';
import * as nn from './index.ts';

test('a shape error names the op, the operands and what does not fit', () => {
  const g = new nn.Graph();
  const x = g.input('x', 'float32', ['N', 3]);
  const w = g.input('w', 'float32', [4, 2]);
  expect(() => g.scope('head', () => nn.matMul(x, w))).toThrow(
    'head/MatMul_0: MatMul(x float32[N,3], w float32[4,2]): inner dimensions differ: 3 of [N,3], 4 of [4,2]',
  );
  expect(() => nn.add(x, w)).toThrow('do not broadcast');
  expect(() => nn.add(x, nn.cast(w, 'int32'))).toThrow('different dtypes');
  expect(() => nn.reshape(x, [-1, 4])).toThrow('[N,3] does not divide into [-1,4]');
  expect(() => nn.reshape(x, ['N', 4])).toThrow('[N,3] has 3*N elements, [N,4] has 4*N');
  expect(() => nn.transpose(x, [0, 0])).toThrow('not an order of 2 axes');
  expect(() => nn.slice(x, { axis: 0, end: 2 })).toThrow("needs a size that is a number, found 'N'");
  expect(() => nn.reduceSum(x, { axes: [2] })).toThrow('axis 2 is outside a shape of rank 2');
  expect(() => nn.exp(g.input('ids', 'int64', [2]))).toThrow('needs a float tensor');
});

test('names are taken once, constants must have the length of their shape, and graphs do not mix', () => {
  const g = new nn.Graph('model');
  const x = g.input('x', 'float32', [2]);
  expect(() => g.input('x', 'float32', [2])).toThrow("graph 'model': the name 'x' is taken");
  expect(() => g.constant('table', 'float32', [2, 2], new Float32Array(3))).toThrow(
    "constant 'table': float32[2,2] needs 4 elements of 4 bytes, found 3 of 4",
  );
  expect(() => g.constant('halves', 'float32', [2], new Float64Array(2))).toThrow('needs 2 elements of 4 bytes, found 2 of 8');
  expect(() => nn.add(x, new nn.Graph().input('y', 'float32', [2]))).toThrow("operand 'y' belongs to another graph");
  expect(() => new nn.Graph().output('x', x)).toThrow('belongs to another graph');
  expect(() => nn.encodeModel(g)).toThrow("graph 'model' has no outputs");
});

test('a symbol whose size no input gives cannot be used at run time', () => {
  const g = new nn.Graph('model');
  const x = g.input('x', 'float32', [1]);
  expect(() => nn.expand(x, ['M'])).toThrow("no input of 'model' has the dimension 'M'");
});

test('a sequence can only be an output', () => {
  const g = new nn.Graph();
  const sequence = nn.sequenceConstruct([g.input('x', 'float32', [1])]);
  expect(() => nn.neg(sequence)).toThrow('a sequence can only be an output');
});

test('equal small constants are stored once, and zero is not minus zero', () => {
  const g = new nn.Graph();
  expect(g.scalar(0.5)).toBe(g.scalar(0.5));
  expect(g.scalar(0)).not.toBe(g.scalar(-0));
  expect(g.scalar(1)).not.toBe(g.scalar(1, 'float64'));
  expect(g.literal('int64', [1])).not.toBe(g.scalar(1, 'int64'));
});
