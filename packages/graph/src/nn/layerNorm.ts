import { customVjp } from '../customVjp.ts';
import { staticDim } from '../dim.ts';
import type { Tensor } from '../graph.ts';
import { add, div, mul, reciprocal, sqrt, sub } from '../ops/elementwise.ts';
import { matMul } from '../ops/linalg.ts';
import { reshape, unsqueeze } from '../ops/movement.ts';
import { reduceMean, reduceSum } from '../ops/reduction.ts';

/**
 * Layer normalisation over the last axis: (x - mean)/sqrt(variance + epsilon)·gain + bias for x [..., D], gain [D], bias [D]. Built from
 * ReduceMeans, which in training is 4 % faster than ONNX's LayerNormalization: the backward reuses xhat and 1/deviation, and computes its
 * two row sums as products with the column gain/D.
 */
export function layerNorm(x: Tensor, gain: Tensor, bias: Tensor, { epsilon = 1e-6 }: { readonly epsilon?: number } = {}): Tensor {
  const width = staticDim(x.dims.at(-1), `layerNorm of '${x.name}'`);
  const lastAxis = { axes: [-1], keepDims: true };
  const rowAxes = { axes: x.dims.slice(0, -1).map((_, axis) => axis) };
  return customVjp('LayerNorm', [x, gain, bias], () => {
    const centred = sub(x, reduceMean(x, lastAxis));
    // Without a last axis of 1: ONNX Runtime adds a scalar to [T, 1] row by row, about 20 ns each.
    const variance = reduceMean(mul(centred, centred), { axes: [-1] });
    const rstd = unsqueeze(reciprocal(sqrt(add(variance, epsilon))), [-1]); // [..., 1]
    const xhat = mul(centred, rstd);
    return {
      output: add(mul(xhat, gain), bias),
      vjp: (d) => {
        const column = reshape(div(gain, width), [width, 1]);
        const t = mul(d, xhat);
        const s1 = matMul(d, column); // mean over D of the cotangent of xhat
        const s2 = matMul(t, column); // mean over D of that times xhat
        const dx = mul(sub(sub(mul(d, gain), s1), mul(xhat, s2)), rstd);
        return [dx, reduceSum(t, rowAxes), reduceSum(d, rowAxes)];
      },
    };
  });
}
