import { customVjp } from '../customVjp.ts';
import type { Tensor } from '../graph.ts';
import { mul } from '../ops/elementwise.ts';
import { flattenRows, gemm } from '../ops/linalg.ts';
import { reshape, transpose } from '../ops/movement.ts';
import { reduceSum } from '../ops/reduction.ts';

/** Scales of a {@link linear} layer, and the form of its weight gradient. */
export interface LinearOptions {
  /** Scales x·Wᵀ. */
  readonly alpha?: number;
  /** Scales the bias. */
  readonly beta?: number;
  /**
   * 'transA' lets Gemm read the cotangent transposed; 'transposed' makes the transposed copy first, in a form that the runtime does not
   * fuse away, which is 2-3 % faster for large layers. The values may differ in the last bits.
   */
  readonly weightGradient?: 'transA' | 'transposed';
}

/**
 * Computes alpha·x·Wᵀ + beta·b for x [..., in], weight [out, in] (PyTorch's layout; [in, out] costs 4 %), bias [out]; returns [..., out].
 * Backward: dx = d·W, dW = dᵀ·x, db = the sum of d over rows.
 */
export function linear(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  { alpha = 1, beta = 1, weightGradient = 'transA' }: LinearOptions = {},
): Tensor {
  const rows = flattenRows(x);
  const inputs = bias === undefined ? [rows, weight] : [rows, weight, bias];
  const y = customVjp('Linear', inputs, () => ({
    output: gemm(rows, weight, bias, { alpha, beta, transB: true }),
    vjp: (d) => [
      gemm(d, weight, undefined, { alpha }),
      weightGradient === 'transA' ? gemm(d, rows, undefined, { alpha, transA: true }) : gemm(transposedCopy(d), rows, undefined, { alpha }),
      ...(bias === undefined ? [] : [scaled(reduceSum(d, { axes: [0] }), beta)]),
    ],
  }));
  return reshape(y, [...x.dims.slice(0, -1), weight.dims[0]!]);
}

const scaled = (x: Tensor, factor: number): Tensor => (factor === 1 ? x : mul(x, factor));

/** Transposes d [M, O] to [O, M], moved through [M, O, 1] so that ONNX Runtime does not fold the Transpose into the Gemm that reads it. */
function transposedCopy(d: Tensor): Tensor {
  const [rows, columns] = [d.dims[0]!, d.dims[1]!];
  return reshape(transpose(reshape(d, [rows, columns, 1]), [1, 0, 2]), [columns, rows]);
}
