import { expect, test } from '@jest/globals';
import * as nn from './index.ts';
import { evaluate, evaluator } from './testing/evaluate.ts';

const vector = (values: readonly number[]) => ({ dtype: 'float64' as const, shape: [values.length], values });

test('contributions of several uses of a tensor are summed', async () => {
  const g = new nn.Graph();
  const x = g.input('x', 'float64', ['N']);
  // x + x² + 3x has the slope 4 + 2x.
  const loss = nn.reduceSum(nn.add(nn.add(x, nn.mul(x, x)), nn.mul(x, 3)));
  g.output('dx', nn.grad(loss, [x])[0]!);
  expect((await evaluate(g, { x: vector([1, -2]) })).dx!.values).toEqual([6, 0]);
});

test('the gradient can be taken at an inner tensor, and of the loss itself', async () => {
  const g = new nn.Graph();
  const x = g.input('x', 'float64', [2]);
  const inner = nn.exp(x);
  const loss = nn.reduceSum(nn.mul(inner, 5));
  const [atInner, atLoss] = nn.grad(loss, [inner, loss]);
  g.output('atInner', atInner!);
  g.output('atLoss', atLoss!);
  const { atInner: found, atLoss: one } = await evaluate(g, { x: vector([0, 1]) });
  expect(found!.values).toEqual([5, 5]);
  expect(one!.values).toEqual([1]);
});

test('a gradient can be differentiated again', async () => {
  const g = new nn.Graph();
  const x = g.input('x', 'float64', [3]);
  const slope = nn.grad(nn.reduceSum(nn.pow(x, 3)), [x])[0]!; // 3x²
  g.output('curvature', nn.grad(nn.reduceSum(slope), [x])[0]!); // 6x
  expect((await evaluate(g, { x: vector([1, 2, -3]) })).curvature!.values).toEqual([6, 12, -18]);
});

test('one model serves every batch size', async () => {
  const g = new nn.Graph();
  const x = g.input('x', 'float64', ['N', 2]);
  const w = g.input('w', 'float64', [3, 2]);
  const loss = nn.reduceMean(nn.reduceSum(nn.square(nn.linear(x, w)), { axes: [1] }));
  g.output('dw', nn.grad(loss, [w])[0]!);
  const loaded = await evaluator(g);
  const weights = { dtype: 'float64' as const, shape: [3, 2], values: [1, 0, 0, 1, 1, 1] };
  const row = [2, -1];
  const run = async (count: number) =>
    (await loaded.run({ x: { dtype: 'float64', shape: [count, 2], values: Array.from({ length: count }, () => row).flat() }, w: weights }))
      .dw!.values;
  // 2·(W x)·xᵀ; the mean over equal rows is that of one row.
  const expected = [8, -4, -4, 2, 4, -2];
  expect(await run(1)).toEqual(expected);
  expect(await run(4)).toEqual(expected);
  await loaded.close();
});

test('no gradient flows through stopGradient, integers or comparisons', async () => {
  const g = new nn.Graph();
  const x = g.input('x', 'float64', [2]);
  const gate = nn.cast(nn.cast(nn.greater(x, 0), 'int64'), 'float64');
  g.output('dx', nn.grad(nn.reduceSum(nn.mul(nn.mul(x, nn.stopGradient(x)), gate)), [x])[0]!);
  expect((await evaluate(g, { x: vector([3, -2]) })).dx!.values.map(Math.abs)).toEqual([3, 0]);
});

test('a missing rule names the op, the node and what to blame', () => {
  const g = new nn.Graph();
  const x = g.input('x', 'float32', [3]);
  const ids = g.input('ids', 'int64', [2]);
  const taken = g.scope('decoder', () => nn.gather(x, ids));
  expect(() => nn.grad(nn.reduceSum(taken), [x])).toThrow("grad: op Gather has no vjp, and a gradient must pass node 'decoder/Gather_0'");
});

test('a rule that is missing for one input names the input, and only matters when that input needs a gradient', () => {
  const g = new nn.Graph();
  const x = g.input('x', 'float32', [3]);
  const e = g.input('e', 'float32', []);
  const loss = nn.reduceSum(nn.pow(x, e));
  expect(() => nn.grad(loss, [e])).toThrow("grad: op Pow has no vjp for input 1 ('e'), and a gradient must pass it in node 'Pow_0'");
  expect(nn.grad(loss, [x])[0]!.dims).toEqual([3]);
  const strided = nn.reduceSum(nn.slice(x, { axis: 0, step: 2 }));
  expect(() => nn.grad(strided, [x])).toThrow("op Slice has no vjp for input 0 ('x')");
});

test('an op without a rule is no obstacle where no gradient passes', () => {
  const g = new nn.Graph();
  const table = g.input('table', 'float32', [3, 2]);
  const ids = g.input('ids', 'int64', [2]);
  const x = g.input('x', 'float32', [2, 2]);
  const loss = nn.reduceSum(nn.mul(nn.gather(table, ids), x));
  expect(nn.grad(loss, [x])[0]!.dims).toEqual([2, 2]);
});

test('an unused parameter, an integer one, a vector loss and a foreign tensor are refused by name', () => {
  const g = new nn.Graph();
  const x = g.input('x', 'float32', [3]);
  const spare = g.input('spare', 'float32', [3]);
  const ids = g.input('ids', 'int64', [3]);
  const loss = nn.reduceSum(x);
  expect(() => nn.grad(loss, [x, spare])).toThrow("grad: 'spare' does not affect the loss 'ReduceSum_0'");
  expect(() => nn.grad(loss, [ids])).toThrow("grad: 'ids' is int64; only float tensors have a gradient");
  expect(() => nn.grad(x, [x])).toThrow("grad: the loss 'x' must be a float scalar, found float32[3]");
  expect(() => nn.grad(loss, [new nn.Graph().input('y', 'float32', [])])).toThrow("grad: 'y' belongs to another graph");
});

test('a custom vjp replaces the gradient of what is inside', async () => {
  const g = new nn.Graph();
  const x = g.input('x', 'float64', [2]);
  // The straight-through estimator: steps forward, the identity backward.
  const step = nn.customVjp('Step', [x], () => ({
    output: nn.cast(nn.greater(x, 0), 'float64'),
    vjp: (d) => [d],
  }));
  g.output('dx', nn.grad(nn.reduceSum(nn.mul(step, 7)), [x])[0]!);
  expect((await evaluate(g, { x: vector([3, -2]) })).dx!.values).toEqual([7, 7]);
});

test('a custom vjp must list what it differentiates, return one cotangent per input, of its shape, and make its own output', () => {
  const g = new nn.Graph();
  const x = g.input('x', 'float32', [2]);
  const w = g.input('w', 'float32', [2]);
  const captured = nn.customVjp('Scale', [x], () => ({ output: nn.mul(x, w), vjp: (d) => [nn.mul(d, w)] }));
  expect(() => nn.grad(nn.reduceSum(captured), [x, w])).toThrow("Scale (Scale; inputs x [2]) uses 'w' without listing it as an input");
  expect(nn.grad(nn.reduceSum(captured), [x])).toHaveLength(1);
  const short = nn.customVjp('Short', [x, w], () => ({ output: nn.mul(x, w), vjp: (d) => [d] }));
  expect(() => nn.grad(nn.reduceSum(short), [x])).toThrow('returned 1 cotangents for 2 inputs');
  const misshapen = nn.customVjp('Misshapen', [x], () => ({ output: nn.exp(x), vjp: (d) => [nn.reduceSum(d)] }));
  expect(() => nn.grad(nn.reduceSum(misshapen), [x])).toThrow("gave float32[] for 'x' float32[2]");
  expect(() => nn.customVjp('Same', [x], () => ({ output: x, vjp: (d) => [d] }))).toThrow('must be made by its forward');
});
