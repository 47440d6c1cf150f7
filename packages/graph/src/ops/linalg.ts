import { broadcastDims, formatDims } from '../dim.ts';
import { isFloat } from '../dtype.ts';
import type { Attributes, Tensor, ValueType } from '../graph.ts';
import { GraphError } from '../graphError.ts';
import { emitterOf, type ShapeRules } from '../rule.ts';
import { reshape } from './movement.ts';

function checkFloats(inputs: readonly Tensor[]): void {
  const { dtype } = inputs[0]!;
  if (!isFloat(dtype) || inputs.some((input) => input.dtype !== dtype)) throw new GraphError('needs float tensors of one dtype');
}

function inferMatMul(inputs: readonly Tensor[]): ValueType {
  checkFloats(inputs);
  const [a, b] = inputs.map(({ dims }) => dims) as [ValueType['dims'], ValueType['dims']];
  if (a.length < 2 || b.length < 2) throw new GraphError('needs matrices: at least two axes each');
  if (a.at(-1) !== b.at(-2))
    throw new GraphError(`inner dimensions differ: ${a.at(-1)} of ${formatDims(a)}, ${b.at(-2)} of ${formatDims(b)}`);
  return {
    dtype: inputs[0]!.dtype,
    dims: [...broadcastDims(a.slice(0, -2), b.slice(0, -2)), a.at(-2)!, b.at(-1)!],
  };
}

function inferGemm(inputs: readonly Tensor[], { transA, transB }: Attributes): ValueType {
  checkFloats(inputs);
  const [a, b, c] = inputs;
  if (a!.dims.length !== 2 || b!.dims.length !== 2) throw new GraphError('needs two matrices');
  const [rows, innerA] = transA === 1 ? [a!.dims[1]!, a!.dims[0]!] : [a!.dims[0]!, a!.dims[1]!];
  const [innerB, columns] = transB === 1 ? [b!.dims[1]!, b!.dims[0]!] : [b!.dims[0]!, b!.dims[1]!];
  if (innerA !== innerB) throw new GraphError(`inner dimensions differ: ${innerA} and ${innerB}`);
  const dims = [rows, columns];
  if (c !== undefined && formatDims(broadcastDims(c.dims, dims)) !== formatDims(dims)) {
    throw new GraphError(`the addend ${formatDims(c.dims)} does not broadcast to ${formatDims(dims)}`);
  }
  return { dtype: a!.dtype, dims };
}

/** Shape rules of the matrix products. */
export const linalgShapes = {
  MatMul: inferMatMul,
  Gemm: inferGemm,
} satisfies ShapeRules;

const emit = emitterOf(linalgShapes);

/** [..., M, K] times [..., K, N]; the leading axes broadcast. */
export const matMul = (a: Tensor, b: Tensor): Tensor => emit('MatMul', [a, b])[0]!;

/** Transposes and scales of {@link gemm}. */
export interface GemmOptions {
  readonly alpha?: number;
  readonly beta?: number;
  readonly transA?: boolean;
  readonly transB?: boolean;
}

/** alpha·op(a)·op(b) + beta·c for matrices a, b; `c` broadcasts to [M, N]. op transposes when transA or transB is set. */
export function gemm(a: Tensor, b: Tensor, c?: Tensor, { alpha = 1, beta = 1, transA = false, transB = false }: GemmOptions = {}): Tensor {
  const attributes = {
    alpha: { float: alpha },
    beta: { float: beta },
    transA: transA ? 1 : 0,
    transB: transB ? 1 : 0,
  };
  return emit('Gemm', c === undefined ? [a, b] : [a, b, c], attributes)[0]!;
}

/** Reshapes [..., C] to the matrix [rows, C]. */
export const flattenRows = (x: Tensor): Tensor => (x.dims.length === 2 ? x : reshape(x, [-1, x.dims.at(-1)!]));
