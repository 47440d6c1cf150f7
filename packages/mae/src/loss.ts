import { add, customVjp, div, mul, reduceMean, reduceSum, sqrt, sub, type Tensor } from '@maestro/graph';
import { patchLength } from '@maestro/vit';
import type { MaeConfig } from './config.ts';
import { TARGET_EPS } from './pixels.ts';

/** What the model is to predict for `patches` [N, any, P]: the pixels, or with `normPixLoss` the pixels normalised within each patch. */
export function targetOf(patches: Tensor, config: MaeConfig): Tensor {
  if (!config.normPixLoss) return patches;
  const length = patchLength(config);
  const lastAxis = { axes: [-1], keepDims: true };
  const centred = sub(patches, reduceMean(patches, lastAxis));
  const variance = mul(reduceSum(mul(centred, centred), lastAxis), 1 / (length - 1)); // unbiased
  return div(centred, sqrt(add(variance, TARGET_EPS)));
}

/**
 * gradScale / 2 times the sum of squared errors, summed within rows first: one sum over everything loses digits (6e-6 at ViT-B).
 * Its gradient is gradScale * (prediction - target); no gradient flows into target and gradScale.
 * @param prediction [rows, P]. @param gradScale a scalar. @returns a scalar.
 */
export function squaredErrorLoss(prediction: Tensor, target: Tensor, gradScale: Tensor): Tensor {
  return customVjp('SquaredError', [prediction], () => {
    const error = sub(prediction, target);
    const rows = reduceSum(mul(error, error), { axes: [-1] });
    return {
      output: mul(reduceSum(rows), mul(gradScale, 0.5)),
      vjp: (d) => [mul(error, mul(gradScale, d))],
    };
  });
}
