import { customVjp } from '../customVjp.ts';
import { broadcastDims, type Dims, sameDims } from '../dim.ts';
import { DTYPES, type DType, isFloat } from '../dtype.ts';
import type { Attributes, Tensor, ValueType } from '../graph.ts';
import { GraphError } from '../graphError.ts';
import { emitterOf, type ShapeRules } from '../rule.ts';
import { expand } from './movement.ts';

/** A tensor, or a number that becomes a scalar constant of the other operand's dtype. */
export type Operand = Tensor | number;

const same = ([x]: readonly Tensor[]): ValueType => ({
  dtype: x!.dtype,
  dims: x!.dims,
});

function sameFloat(inputs: readonly Tensor[]): ValueType {
  if (!isFloat(inputs[0]!.dtype)) throw new GraphError('needs a float tensor');
  return same(inputs);
}

function broadcast(inputs: readonly Tensor[]): ValueType {
  const { dtype } = inputs[0]!;
  if (inputs.some((input) => input.dtype !== dtype)) throw new GraphError('operands have different dtypes; cast one of them');
  return { dtype, dims: broadcastDims(...inputs.map(({ dims }) => dims)) };
}

const compare = (inputs: readonly Tensor[]): ValueType => ({
  ...broadcast(inputs),
  dtype: 'bool',
});

function logical(inputs: readonly Tensor[]): ValueType {
  if (inputs.some(({ dtype }) => dtype !== 'bool')) throw new GraphError('operands must be bool');
  return broadcast(inputs);
}

function inferWhere([condition, ...branches]: readonly Tensor[]): ValueType {
  if (condition!.dtype !== 'bool') throw new GraphError('the condition must be bool');
  return {
    ...broadcast(branches),
    dims: broadcastDims(condition!.dims, ...branches.map(({ dims }) => dims)),
  };
}

function inferCast([x]: readonly Tensor[], { to }: Attributes): ValueType {
  const entry = Object.entries(DTYPES).find(([, { onnx }]) => onnx === to);
  if (entry === undefined) throw new GraphError(`unknown element type ${String(to)}`);
  return { dtype: entry[0] as DType, dims: x!.dims };
}

/** Shape rules of the element-wise ops. */
export const elementwiseShapes = {
  Add: broadcast,
  Sub: broadcast,
  Mul: broadcast,
  Div: broadcast,
  Pow: broadcast,
  Max: broadcast,
  Min: broadcast,
  Neg: same,
  Reciprocal: sameFloat,
  Sqrt: sameFloat,
  Exp: sameFloat,
  Log: sameFloat,
  Tanh: sameFloat,
  Erf: sameFloat,
  Identity: same,
  Cast: inferCast,
  Where: inferWhere,
  Equal: compare,
  Greater: compare,
  GreaterOrEqual: compare,
  Less: compare,
  LessOrEqual: compare,
  And: logical,
  Or: logical,
  Not: logical,
} satisfies ShapeRules;

const emit = emitterOf(elementwiseShapes);

/** Returns the operand as a tensor, in the dtype and graph of `other`. */
function operand(x: Operand, other: Operand): Tensor {
  if (typeof x !== 'number') return x;
  if (typeof other === 'number') throw new GraphError('one operand must be a tensor; for a constant use graph.scalar()');
  return other.graph.scalar(x, other.dtype);
}

/**
 * Applies the op to two tensors, moving any Expand behind it, or dropping it when broadcasting does its work for free. Cotangents of
 * reductions are Expands, so this keeps them small until they meet a full-sized tensor.
 */
function pair(op: keyof typeof elementwiseShapes, a: Operand, b: Operand): Tensor {
  const left = operand(a, b);
  const right = operand(b, a);
  const [small, large] = left.node?.op === 'Expand' ? [left, right] : [right, left];
  if (small.node?.op === 'Expand') {
    const source = small.node.inputs[0]!;
    const apply = (x: Tensor): Tensor => (small === left ? pair(op, x, large) : pair(op, large, x));
    if (sameDims(small.dims, large.dims)) return apply(source);
    if (fitsInto(large.dims, source.dims)) return expand(apply(source), small.dims);
  }
  return emit(op, [left, right])[0]!;
}

/** True when `dims` broadcast to `target` without enlarging it. */
function fitsInto(dims: Dims, target: Dims): boolean {
  const offset = target.length - dims.length;
  return offset >= 0 && dims.every((dim, axis) => dim === 1 || dim === target[axis + offset]);
}

/** a + b, with numpy broadcasting (like all two-operand functions here). */
export const add = (a: Operand, b: Operand): Tensor => pair('Add', a, b);

/** a - b. */
export const sub = (a: Operand, b: Operand): Tensor => pair('Sub', a, b);

/** a · b, element-wise. */
export const mul = (a: Operand, b: Operand): Tensor => pair('Mul', a, b);

/** a / b. */
export const div = (a: Operand, b: Operand): Tensor => pair('Div', a, b);

/** a to the power b; the gradient flows only to `a`. */
export const pow = (a: Operand, b: Operand): Tensor => pair('Pow', a, b);

/** The larger of a and b; at a tie the gradient goes to `a`. */
export const max = (a: Operand, b: Operand): Tensor => pair('Max', a, b);

/** The smaller of a and b; at a tie the gradient goes to `a`. */
export const min = (a: Operand, b: Operand): Tensor => pair('Min', a, b);

/** a = b, as bool. */
export const equal = (a: Operand, b: Operand): Tensor => pair('Equal', a, b);

/** a > b, as bool. */
export const greater = (a: Operand, b: Operand): Tensor => pair('Greater', a, b);

/** a >= b, as bool. */
export const greaterOrEqual = (a: Operand, b: Operand): Tensor => pair('GreaterOrEqual', a, b);

/** a < b, as bool. */
export const less = (a: Operand, b: Operand): Tensor => pair('Less', a, b);

/** a <= b, as bool. */
export const lessOrEqual = (a: Operand, b: Operand): Tensor => pair('LessOrEqual', a, b);

/** Logical and of two bools. */
export const and = (a: Tensor, b: Tensor): Tensor => pair('And', a, b);

/** Logical or of two bools. */
export const or = (a: Tensor, b: Tensor): Tensor => pair('Or', a, b);

/** Logical negation. */
export const not = (x: Tensor): Tensor => emit('Not', [x])[0]!;

/** -x. */
export const neg = (x: Tensor): Tensor => emit('Neg', [x])[0]!;

/** 1 / x. */
export const reciprocal = (x: Tensor): Tensor => emit('Reciprocal', [x])[0]!;

/** x², with a gradient of one pass instead of the sum of two. */
export const square = (x: Tensor): Tensor => customVjp('Square', [x], () => ({ output: mul(x, x), vjp: (d) => [mul(mul(d, 2), x)] }));

/** The square root. */
export const sqrt = (x: Tensor): Tensor => emit('Sqrt', [x])[0]!;

/** e to the power x. */
export const exp = (x: Tensor): Tensor => emit('Exp', [x])[0]!;

/** The natural logarithm. */
export const log = (x: Tensor): Tensor => emit('Log', [x])[0]!;

/** The hyperbolic tangent. */
export const tanh = (x: Tensor): Tensor => emit('Tanh', [x])[0]!;

/** The error function. */
export const erf = (x: Tensor): Tensor => emit('Erf', [x])[0]!;

/** Returns x as a new value. */
export const identity = (x: Tensor): Tensor => emit('Identity', [x])[0]!;

/** Casts x to another dtype; returns x itself when it already has it. A gradient passes between float dtypes only. */
export const cast = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? x : emit('Cast', [x], { to: DTYPES[dtype].onnx })[0]!);

/** `a` where `condition` (bool) holds, else `b`. */
export const where = (condition: Tensor, a: Operand, b: Operand): Tensor => emit('Where', [condition, operand(a, b), operand(b, a)])[0]!;
