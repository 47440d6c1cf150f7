import { normalAxis } from '../dim.ts';
import { isFloat } from '../dtype.ts';
import type { Attributes, Tensor, ValueType } from '../graph.ts';
import { GraphError } from '../graphError.ts';
import { emitterOf, type ShapeRules } from '../rule.ts';

/** Axes to reduce (default: all; negative counts from the end), and whether they stay as size 1. */
export interface ReduceOptions {
  readonly axes?: readonly number[];
  readonly keepDims?: boolean;
}

/** Returns the axes of a reduction, counted from the front. */
export function reducedAxes(inputs: readonly Tensor[]): readonly number[] {
  const [x, axes] = inputs;
  return axes!.shapeValue!.map((axis) => normalAxis(axis as number, x!.dims.length));
}

function inferReduce(inputs: readonly Tensor[], { keepdims }: Attributes): ValueType {
  const { dtype, dims } = inputs[0]!;
  const axes = new Set(reducedAxes(inputs));
  const kept = dims.map((dim, axis) => (axes.has(axis) ? 1 : dim));
  return {
    dtype,
    dims: keepdims === 1 ? kept : kept.filter((_, axis) => !axes.has(axis)),
  };
}

function inferArgMax([x]: readonly Tensor[], { axis, keepdims }: Attributes): ValueType {
  const at = normalAxis(axis as number, x!.dims.length);
  const dims = keepdims === 1 ? x!.dims.map((dim, index) => (index === at ? 1 : dim)) : x!.dims.filter((_, index) => index !== at);
  return { dtype: 'int64', dims };
}

function inferSoftmax([x]: readonly Tensor[], { axis }: Attributes): ValueType {
  if (!isFloat(x!.dtype)) throw new GraphError('needs a float tensor');
  normalAxis(axis as number, x!.dims.length);
  return { dtype: x!.dtype, dims: x!.dims };
}

/** Shape rules of the ops that combine elements along axes. */
export const reductionShapes = {
  ReduceSum: inferReduce,
  ReduceMean: inferReduce,
  ReduceMax: inferReduce,
  ArgMax: inferArgMax,
  Softmax: inferSoftmax,
  LogSoftmax: inferSoftmax,
} satisfies ShapeRules;

const emit = emitterOf(reductionShapes);

function reduce(
  op: keyof typeof reductionShapes,
  x: Tensor,
  { axes = x.dims.map((_, axis) => axis), keepDims = false }: ReduceOptions,
): Tensor {
  if (axes.length === 0) return x;
  return emit(op, [x, x.graph.literal('int64', axes)], {
    keepdims: keepDims ? 1 : 0,
  })[0]!;
}

/** The sum over `axes`. */
export const reduceSum = (x: Tensor, options: ReduceOptions = {}): Tensor => reduce('ReduceSum', x, options);

/** The mean over `axes`. Reduce many elements in two stages: one big mean loses digits (6e-6 at ViT-B's loss). */
export const reduceMean = (x: Tensor, options: ReduceOptions = {}): Tensor => reduce('ReduceMean', x, options);

/** The largest element over `axes`; without gradient. */
export const reduceMax = (x: Tensor, options: ReduceOptions = {}): Tensor => reduce('ReduceMax', x, options);

/** Index of the largest element along `axis`, int64. */
export const argMax = (x: Tensor, { axis, keepDims = false }: { readonly axis: number; readonly keepDims?: boolean }): Tensor =>
  emit('ArgMax', [x], { axis, keepdims: keepDims ? 1 : 0 })[0]!;

/** exp(x) divided by its sum along `axis`. */
export const softmax = (x: Tensor, axis = -1): Tensor => emit('Softmax', [x], { axis })[0]!;

/** The logarithm of {@link softmax}, computed stably. */
export const logSoftmax = (x: Tensor, axis = -1): Tensor => emit('LogSoftmax', [x], { axis })[0]!;
