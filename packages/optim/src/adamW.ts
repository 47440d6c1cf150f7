import { type AdamWSettings, optimizerSection } from './section.ts';
import type { UpdateRule } from './updateRule.ts';

/** The MAE paper's settings for pre-training (table 8): betas .9 and .95 (Chen et al. 2020), weight decay .05. */
export const ADAMW_DEFAULTS = optimizerSection.parse({}) as AdamWSettings;

type Scalar = 'gradScale' | 'decay' | 'beta1Rest' | 'beta2' | 'beta2Rest' | 'correction' | 'epsilon' | 'negativeStepSize';

/**
 * AdamW (Loshchilov & Hutter, "Decoupled Weight Decay Regularization", 2019), in the order of PyTorch's single-tensor `AdamW`: the decay is
 * decoupled and comes first, epsilon is added after the bias correction of the root.
 */
export function adamW({ beta1, beta2, eps }: AdamWSettings): UpdateRule<Scalar> {
  return {
    kernel: 'adamW',
    moments: ['exp_avg', 'exp_avg_sq'],
    scalars: ['gradScale', 'decay', 'beta1Rest', 'beta2', 'beta2Rest', 'correction', 'epsilon', 'negativeStepSize'],
    scalarsOf({ sub, mul, div, sqrt, power, constant }, { lr, step, gradScale, weightDecay }) {
      const one = constant(1);
      return {
        gradScale,
        decay: sub(one, mul(lr, constant(weightDecay))),
        beta1Rest: constant(1 - beta1),
        beta2: constant(beta2),
        beta2Rest: constant(1 - beta2),
        correction: sqrt(sub(one, power(beta2, step))),
        epsilon: constant(eps),
        negativeStepSize: mul(div(lr, sub(one, power(beta1, step))), constant(-1)),
      };
    },
    update({ add, sub, mul, div, sqrt, keep }, { parameter, moments: [average, square] }, gradient, scalars) {
      const { gradScale, decay, beta1Rest, beta2, beta2Rest, correction, epsilon, negativeStepSize } = scalars;
      const g = mul(gradient, gradScale);
      const m = add(keep(average!), mul(sub(g, average!), beta1Rest));
      const v = add(mul(square!, beta2), mul(mul(beta2Rest, g), g));
      const denominator = add(div(sqrt(v), correction), epsilon);
      return { parameter: add(mul(parameter, decay), div(mul(negativeStepSize, m), denominator)), moments: [m, v] };
    },
  };
}
