import { customVjp } from '../customVjp.ts';
import type { Tensor } from '../graph.ts';
import { add, erf, exp, mul, sub } from '../ops/elementwise.ts';
import { flattenRows } from '../ops/linalg.ts';
import { reshape } from '../ops/movement.ts';
import { type LinearOptions, linear } from './linear.ts';

/** Weights of the two layers: fc1 [hidden, in] and [hidden], fc2 [out, hidden] and [out]. */
export interface MlpParameters {
  readonly fc1Weight: Tensor;
  readonly fc1Bias: Tensor;
  readonly fc2Weight: Tensor;
  readonly fc2Bias: Tensor;
}

const LOG_TWO_OVER_ROOT_PI = Math.log(2 / Math.sqrt(Math.PI));

/**
 * Computes xs·(1 + erf(xs)), which is sqrt(2)·GELU(x) for xs = x/sqrt(2). The two scales fold into the surrounding layers, which saves two
 * passes over the widest tensor of a transformer; the backward needs one Exp and keeps xs and 1 + erf(xs).
 */
export function foldedGelu(xs: Tensor): Tensor {
  return customVjp('FoldedGelu', [xs], () => {
    const e1 = add(erf(xs), 1);
    return {
      output: mul(xs, e1),
      vjp: (d) => [mul(d, add(e1, mul(xs, exp(sub(LOG_TWO_OVER_ROOT_PI, mul(xs, xs))))))],
    };
  });
}

/** The exact (erf) GELU, x·Φ(x). */
export const gelu = (x: Tensor): Tensor => mul(foldedGelu(mul(x, Math.SQRT1_2)), Math.SQRT1_2);

/** Computes fc2(GELU(fc1(x))) for x [..., in], with GELU's scales folded into the two layers. */
export function mlp(
  x: Tensor,
  { fc1Weight, fc1Bias, fc2Weight, fc2Bias }: MlpParameters,
  { weightGradient }: Pick<LinearOptions, 'weightGradient'> = {},
): Tensor {
  const options = weightGradient === undefined ? {} : { weightGradient };
  const xs = linear(flattenRows(x), fc1Weight, fc1Bias, { alpha: Math.SQRT1_2, beta: Math.SQRT1_2, ...options });
  const y = linear(foldedGelu(xs), fc2Weight, fc2Bias, { alpha: Math.SQRT1_2, ...options });
  return reshape(y, [...x.dims.slice(0, -1), fc2Weight.dims[0]!]);
}
