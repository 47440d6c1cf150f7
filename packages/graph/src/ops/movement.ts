import {
  broadcastDims,
  canonicalDims,
  type Dim,
  type Dims,
  dimProduct,
  dimQuotient,
  formatDims,
  normalAxis,
  sameDims,
  staticDim,
} from '../dim.ts';
import type { Attributes, Tensor, ValueType } from '../graph.ts';
import { GraphError } from '../graphError.ts';
import { emitterOf, type ShapeRules } from '../rule.ts';

/** Returns the values of a shape operand. */
export function shapeOperand(tensor: Tensor | undefined): Dims {
  if (tensor?.shapeValue === undefined)
    throw new GraphError(`the values of the shape operand '${tensor?.name}' are not known while building`);
  return tensor.shapeValue;
}

function inferReshape([x, shape]: readonly Tensor[]): ValueType {
  const from = x!.dims;
  const to: Dim[] = shapeOperand(shape).map((dim, axis) => (dim === 0 ? from[axis]! : dim));
  const hole = to.indexOf(-1);
  if (hole >= 0) {
    const rest = dimQuotient(dimProduct(...from), dimProduct(...to.filter((_, axis) => axis !== hole)));
    if (rest === undefined) throw new GraphError(`${formatDims(from)} does not divide into ${formatDims(to)}`);
    to[hole] = rest;
  }
  if (dimProduct(...from) !== dimProduct(...to)) {
    throw new GraphError(`${formatDims(from)} has ${dimProduct(...from)} elements, ${formatDims(to)} has ${dimProduct(...to)}`);
  }
  return { dtype: x!.dtype, dims: to };
}

function inferTranspose([x]: readonly Tensor[], { perm }: Attributes): ValueType {
  const axes = perm as readonly number[];
  if (axes.length !== x!.dims.length || [...axes].sort((a, b) => a - b).some((axis, at) => axis !== at)) {
    throw new GraphError(`${formatDims(axes)} is not an order of ${x!.dims.length} axes`);
  }
  return { dtype: x!.dtype, dims: axes.map((axis) => x!.dims[axis]!) };
}

function inferConcat(inputs: readonly Tensor[], { axis }: Attributes): ValueType {
  const first = inputs[0]!;
  const at = normalAxis(axis as number, first.dims.length);
  for (const { dtype, dims } of inputs) {
    const fits = dims.length === first.dims.length && dims.every((dim, index) => index === at || dim === first.dims[index]);
    if (dtype !== first.dtype || !fits) throw new GraphError(`the parts must agree in dtype and in every axis but ${at}`);
  }
  const total = inputs.reduce((sum, { dims }) => sum + staticDim(dims[at], 'the axis that is joined'), 0);
  return {
    dtype: first.dtype,
    dims: first.dims.map((dim, index) => (index === at ? total : dim)),
  };
}

function inferSplit([x, sizes]: readonly Tensor[], { axis }: Attributes): readonly ValueType[] {
  const parts = shapeOperand(sizes);
  const total = parts.reduce<number>((sum, part) => sum + staticDim(part, 'a part'), 0);
  if (total !== x!.dims[axis as number])
    throw new GraphError(`parts ${formatDims(parts)} do not make up axis ${axis} of ${formatDims(x!.dims)}`);
  return parts.map((part) => ({
    dtype: x!.dtype,
    dims: x!.dims.map((dim, index) => (index === axis ? part : dim)),
  }));
}

/** Returns start, end and step along the one axis of a Slice, with the axis's size. */
export function sliceRange(inputs: readonly Tensor[]) {
  const [x, starts, ends, axes, steps] = inputs;
  const axis = shapeOperand(axes)[0] as number;
  const size = staticDim(x!.dims[axis], `slicing axis ${axis}`);
  const [start, end, step] = [starts, ends, steps].map((operand) => shapeOperand(operand)[0] as number) as [number, number, number];
  return { axis, size, start, end, step };
}

function inferSlice(inputs: readonly Tensor[]): ValueType {
  const { axis, size, start, end, step } = sliceRange(inputs);
  if (start < 0 || end > size || start >= end || step < 1)
    throw new GraphError(`start ${start}, end ${end}, step ${step} take nothing from size ${size}`);
  return {
    dtype: inputs[0]!.dtype,
    dims: inputs[0]!.dims.map((dim, index) => (index === axis ? Math.ceil((end - start) / step) : dim)),
  };
}

function inferPad([x, pads]: readonly Tensor[]): ValueType {
  const amounts = shapeOperand(pads) as readonly number[];
  const rank = x!.dims.length;
  const dims = x!.dims.map((dim, axis) => {
    const added = amounts[axis]! + amounts[axis + rank]!;
    return added === 0 ? dim : staticDim(dim, `padding axis ${axis}`) + added;
  });
  return { dtype: x!.dtype, dims };
}

function inferExpand([x, shape]: readonly Tensor[]): ValueType {
  return { dtype: x!.dtype, dims: broadcastDims(x!.dims, shapeOperand(shape)) };
}

function inferSqueeze([x, axes]: readonly Tensor[]): ValueType {
  const gone = (shapeOperand(axes) as readonly number[]).map((axis) => normalAxis(axis, x!.dims.length));
  for (const axis of gone) if (x!.dims[axis] !== 1) throw new GraphError(`axis ${axis} has size ${x!.dims[axis]}, not 1`);
  return {
    dtype: x!.dtype,
    dims: x!.dims.filter((_, axis) => !gone.includes(axis)),
  };
}

function inferUnsqueeze([x, axes]: readonly Tensor[]): ValueType {
  const added = shapeOperand(axes) as readonly number[];
  const rank = x!.dims.length + added.length;
  const at = new Set(added.map((axis) => normalAxis(axis, rank)));
  const rest = [...x!.dims];
  return {
    dtype: x!.dtype,
    dims: Array.from({ length: rank }, (_, axis) => (at.has(axis) ? 1 : rest.shift()!)),
  };
}

function checkIndices(indices: Tensor | undefined): void {
  if (indices!.dtype !== 'int64' && indices!.dtype !== 'int32') throw new GraphError('indices must be int64 or int32');
}

function inferGather([x, indices]: readonly Tensor[], { axis }: Attributes): ValueType {
  checkIndices(indices);
  const at = normalAxis(axis as number, x!.dims.length);
  return {
    dtype: x!.dtype,
    dims: [...x!.dims.slice(0, at), ...indices!.dims, ...x!.dims.slice(at + 1)],
  };
}

function inferGatherElements([x, indices]: readonly Tensor[], { axis }: Attributes): ValueType {
  checkIndices(indices);
  const at = normalAxis(axis as number, x!.dims.length);
  const fits = x!.dims.length === indices!.dims.length && x!.dims.every((dim, index) => index === at || dim === indices!.dims[index]);
  if (!fits) throw new GraphError(`indices must have the shape of the data in every axis but ${at}`);
  return { dtype: x!.dtype, dims: indices!.dims };
}

function inferGatherND([x, indices]: readonly Tensor[], attributes: Attributes): ValueType {
  checkIndices(indices);
  const batchDims = attributes.batch_dims as number;
  const depth = staticDim(indices!.dims.at(-1), 'the last axis of indices');
  if (!sameDims(x!.dims.slice(0, batchDims), indices!.dims.slice(0, batchDims)) || batchDims + depth > x!.dims.length) {
    throw new GraphError(`indices do not address the data with ${batchDims} batch axes`);
  }
  return {
    dtype: x!.dtype,
    dims: [...indices!.dims.slice(0, -1), ...x!.dims.slice(batchDims + depth)],
  };
}

function inferShape([x]: readonly Tensor[]): ValueType {
  return { dtype: 'int64', dims: [x!.dims.length], shapeValue: x!.dims };
}

function inferRange([start, limit, delta]: readonly Tensor[]): ValueType {
  const [from, to, by] = [start, limit, delta].map((operand) => shapeOperand(operand)[0]!);
  if (from === 0 && by === 1) return { dtype: 'int64', dims: [to!] };
  const count = Math.ceil((staticDim(to, 'a range from elsewhere than 0') - staticDim(from, 'a range')) / staticDim(by, 'a range'));
  return { dtype: 'int64', dims: [Math.max(0, count)] };
}

function inferSequence(inputs: readonly Tensor[]): ValueType {
  const { dtype, dims } = inputs[0]!;
  if (inputs.some((input) => input.dtype !== dtype)) throw new GraphError('the tensors of a sequence have one dtype');
  return { dtype, dims, sequence: true };
}

/** Shape rules of the ops that move elements without computing. */
export const movementShapes = {
  Reshape: inferReshape,
  Transpose: inferTranspose,
  Concat: inferConcat,
  Split: inferSplit,
  Slice: inferSlice,
  Pad: inferPad,
  Expand: inferExpand,
  Squeeze: inferSqueeze,
  Unsqueeze: inferUnsqueeze,
  Gather: inferGather,
  GatherElements: inferGatherElements,
  GatherND: inferGatherND,
  Shape: inferShape,
  Range: inferRange,
  SequenceConstruct: inferSequence,
} satisfies ShapeRules;

const emit = emitterOf(movementShapes);

/** A shape for {@link reshape}: -1, at most once, stands for the remainder. */
export type ReshapeDims = readonly Dim[];

/**
 * Reshapes in row-major order: `reshape(x, ['N', 49, 192])`, `reshape(x, [-1, 192])`. One symbolic dimension becomes ONNX's -1 and one that
 * stays in its place becomes 0; only further ones read sizes at run time.
 */
export function reshape(x: Tensor, dims: ReshapeDims): Tensor {
  const hole = dims.indexOf(-1);
  const known = canonicalDims(dims.map((dim) => (dim === -1 ? 1 : dim)));
  if (hole < 0 && sameDims(known, x.dims)) return x;
  const shape = known.map((dim, axis) => (typeof dim === 'string' && dim === x.dims[axis] ? 0 : dim));
  if (hole >= 0) shape[hole] = -1;
  else {
    const symbol = shape.findIndex((dim) => typeof dim === 'string');
    if (symbol >= 0 && dimQuotient(dimProduct(...x.dims), dimProduct(...known)) === 1) shape[symbol] = -1;
  }
  const isStatic = shape.every((dim) => typeof dim === 'number');
  return emit('Reshape', [x, isStatic ? x.graph.literal('int64', shape as number[]) : x.graph.shapeTensor(known)])[0]!;
}

/** Permutes the axes of x to the order `perm`. */
export const transpose = (x: Tensor, perm: readonly number[]): Tensor => emit('Transpose', [x], { perm })[0]!;

/** Swaps the last two axes of x. */
export function swapLastAxes(x: Tensor): Tensor {
  const rank = x.dims.length;
  const perm = x.dims.map((_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
  return transpose(x, perm);
}

/** Concatenates tensors along `axis`, whose sizes must be numbers. */
export const concat = (parts: readonly Tensor[], axis: number): Tensor => emit('Concat', parts, { axis })[0]!;

/** Splits `axis` into pieces of the given sizes. */
export function split(x: Tensor, { axis, sizes }: { readonly axis: number; readonly sizes: readonly number[] }): readonly Tensor[] {
  return emit('Split', [x, x.graph.literal('int64', sizes)], {
    axis: normalAxis(axis, x.dims.length),
  });
}

/** A range along one axis; negative bounds count from the end, `end` is exclusive. */
export interface SliceOptions {
  readonly axis: number;
  readonly start?: number;
  readonly end?: number;
  readonly step?: number;
}

/** Selects the elements start, start + step, ... before end of one axis whose size is a number. A gradient passes when step is 1. */
export function slice(x: Tensor, { axis, start = 0, end, step = 1 }: SliceOptions): Tensor {
  const at = normalAxis(axis, x.dims.length);
  const size = staticDim(x.dims[at], `slice of '${x.name}' along axis ${at}`);
  const bound = (value: number) => (value < 0 ? value + size : value);
  const operands = [bound(start), end === undefined ? size : bound(end), at, step];
  return emit('Slice', [x, ...operands.map((value) => x.graph.literal('int64', [value]))])[0]!;
}

/** Pads x with zeros before and after along one axis whose size is a number. */
export function pad(
  x: Tensor,
  {
    axis,
    before = 0,
    after = 0,
  }: {
    readonly axis: number;
    readonly before?: number;
    readonly after?: number;
  },
): Tensor {
  const rank = x.dims.length;
  const amounts = new Array<number>(2 * rank).fill(0);
  amounts[normalAxis(axis, rank)] = before;
  amounts[normalAxis(axis, rank) + rank] = after;
  return emit('Pad', [x, x.graph.literal('int64', amounts)], {
    mode: 'constant',
  })[0]!;
}

/** Repeats x along its axes of size 1 up to `dims`; symbols are read from the input that binds them. */
export function expand(x: Tensor, dims: Dims): Tensor {
  const target = canonicalDims(dims);
  if (sameDims(x.dims, target)) return x;
  // Dimensions that x already has may be 1 in Expand's shape, so that symbols that do not grow need no run-time size.
  const offset = target.length - x.dims.length;
  const growth = target.map((dim, axis) => (typeof dim === 'string' && dim === x.dims[axis - offset] ? 1 : dim));
  return emit('Expand', [x, x.graph.shapeTensor(growth)])[0]!;
}

/** Returns zeros with the dtype and shape of x. */
export const zerosLike = (x: Tensor): Tensor => expand(x.graph.scalar(0, x.dtype), x.dims);

/** Removes the given axes of size 1. */
export const squeeze = (x: Tensor, axes: readonly number[]): Tensor => emit('Squeeze', [x, x.graph.literal('int64', axes)])[0]!;

/** Inserts axes of size 1, numbered as in the result. */
export const unsqueeze = (x: Tensor, axes: readonly number[]): Tensor => emit('Unsqueeze', [x, x.graph.literal('int64', axes)])[0]!;

/** Selects `indices` of one axis, which the axes of `indices` replace. Without gradient: see permuteRows. */
export const gather = (x: Tensor, indices: Tensor, axis = 0): Tensor => emit('Gather', [x, indices], { axis })[0]!;

/** out[i][j] = x[indices[i][j]][j] for axis 0 of a matrix, and so on. Without gradient. */
export const gatherElements = (x: Tensor, indices: Tensor, axis: number): Tensor => emit('GatherElements', [x, indices], { axis })[0]!;

/**
 * Selects the slices of x at the coordinates in the last axis of `indices`, within each of the leading `batchDims` axes. Without gradient.
 */
export const gatherND = (x: Tensor, indices: Tensor, batchDims = 0): Tensor =>
  emit('GatherND', [x, indices], { batch_dims: batchDims })[0]!;

/** Returns the shape of x at run time, int64 [rank]. */
export const shapeOf = (x: Tensor): Tensor => emit('Shape', [x])[0]!;

/** 0, 1, ... below `limit`, int64. `limit` is a dimension, such as `range(g, 'N')`. */
export function range(graph: Tensor['graph'], limit: Dim): Tensor {
  const end = typeof limit === 'number' ? graph.scalar(limit, 'int64') : squeezeSize(graph.shapeTensor([limit]));
  return emit('Range', [graph.scalar(0, 'int64'), end, graph.scalar(1, 'int64')])[0]!;
}

/** Squeezes a size [1] to a scalar, keeping its known value. */
function squeezeSize(size: Tensor): Tensor {
  return size.graph.addNode('Squeeze', [size], {}, [{ dtype: 'int64', dims: [], shapeValue: size.shapeValue! }])[0]!;
}

/** Builds a sequence of tensors of one dtype; it can only be an output. */
export const sequenceConstruct = (tensors: readonly Tensor[]): Tensor => emit('SequenceConstruct', tensors)[0]!;
