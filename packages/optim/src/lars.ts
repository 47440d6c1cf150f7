import type { LarsSettings } from './section.ts';
import { sgd } from './sgd.ts';
import type { UpdateRule } from './updateRule.ts';

/**
 * LARS (You, Gitman & Ginsburg, "Large Batch Training of Convolutional Networks", 2017, arXiv 1708.03888, algorithm 1): SGD with momentum
 * whose step is scaled, tensor by tensor, by
 * ```
 * trust = trustCoefficient * |w| / (|g| + weightDecay * |w|)
 * ```
 * and by 1 where either norm is zero. As the linear probes of MoCo v3 and MAE have it, the learning rate multiplies the momentum when it is
 * applied, and tensors of one dimension are neither adapted nor decayed.
 */
export function lars({ momentum, trustCoefficient }: LarsSettings): UpdateRule {
  return {
    ...(sgd({ momentum, nesterov: false }) as UpdateRule),
    adapt({ add, mul, div, constant, whenPositive }, { parameter, gradient }, weightDecay) {
      const one = constant(1);
      const rate = div(mul(constant(trustCoefficient), parameter), add(gradient, mul(constant(weightDecay), parameter)));
      return whenPositive(parameter, whenPositive(gradient, rate, one), one);
    },
  };
}
