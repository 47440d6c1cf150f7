import { customVjp } from '../customVjp.ts';
import { staticDim } from '../dim.ts';
import type { Tensor } from '../graph.ts';
import { mul, sub } from '../ops/elementwise.ts';
import { matMul } from '../ops/linalg.ts';
import { swapLastAxes } from '../ops/movement.ts';
import { reduceSum, softmax } from '../ops/reduction.ts';

/**
 * Computes softmax(q·kᵀ·scale)·v for q, k, v [..., T, dh], the leading axes (such as N, heads) equal; `scale` defaults to dh^-0.5. The
 * scale is a product with a constant next to a MatMul, which ONNX Runtime folds into it. The backward keeps only the probabilities and uses
 * the row sums of dO·O ([T, dh]) for those of dP·P ([T, T]), as in FlashAttention (Dao et al. 2022, appendix B).
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, { scale }: { readonly scale?: number } = {}): Tensor {
  const factor = scale ?? staticDim(q.dims.at(-1), `attention over '${q.name}'`) ** -0.5;
  return customVjp('Attention', [q, k, v], () => {
    const p = softmax(mul(matMul(q, swapLastAxes(k)), factor)); // [..., T, T]
    const output = matMul(p, v);
    return {
      output,
      vjp: (d) => {
        const dv = matMul(swapLastAxes(p), d);
        const dp = matMul(d, swapLastAxes(v));
        const rowSums = reduceSum(mul(d, output), {
          axes: [-1],
          keepDims: true,
        });
        const ds = mul(p, sub(dp, rowSums));
        const dq = mul(matMul(ds, k), factor);
        const dk = mul(matMul(swapLastAxes(ds), q), factor);
        return [dq, dk, dv];
      },
    };
  });
}
