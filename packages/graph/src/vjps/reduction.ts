import { type Dim, dimProduct } from '../dim.ts';
import type { Tensor } from '../graph.ts';
import { cast, div, exp, mul, sub } from '../ops/elementwise.ts';
import { expand, reshape } from '../ops/movement.ts';
import { reducedAxes, reduceSum } from '../ops/reduction.ts';
import { unary, type Vjps } from '../rule.ts';

/** Spreads the cotangent of a reduced value over the shape of `x` again. */
function spread(d: Tensor, x: Tensor, axes: readonly number[]): Tensor {
  const kept = x.dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  return expand(d.dims.length === 0 ? d : reshape(d, kept), x.dims);
}

/** Returns how many elements of `x` are combined into one element of a reduction, as a number or a scalar tensor. */
function reducedCount(x: Tensor, axes: readonly number[]): Tensor | number {
  const count: Dim = dimProduct(...axes.map((axis) => x.dims[axis]!));
  return typeof count === 'number' ? count : cast(reshape(x.graph.shapeTensor([count]), []), x.dtype);
}

/** Derivatives of the ops that combine elements along axes. */
export const reductionVjps = {
  ReduceSum: ({ cotangents: [d], inputs }) => [() => spread(d!, inputs[0]!, reducedAxes(inputs))],
  ReduceMean: ({ cotangents: [d], inputs }) => {
    const axes = reducedAxes(inputs);
    return [() => spread(div(d!, reducedCount(inputs[0]!, axes)), inputs[0]!, axes)];
  },
  Softmax: unary((d, _, y, { axis }) => {
    const t = mul(d, y);
    return sub(t, mul(y, reduceSum(t, { axes: [axis as number], keepDims: true })));
  }),
  LogSoftmax: unary((d, _, y, { axis }) => sub(d, mul(exp(y), reduceSum(d, { axes: [axis as number], keepDims: true })))),
} satisfies Vjps;
