import type { SgdSettings } from './section.ts';
import type { UpdateRule } from './updateRule.ts';

type Scalar = 'gradScale' | 'weightDecay' | 'trust' | 'momentum' | 'negativeLr';

/**
 * SGD with momentum, as `torch.optim.SGD` without dampening:
 * ```
 * d = g + weightDecay * p
 * m = momentum * m + d
 * p = p - lr * m                       (Nesterov: p - lr * (d + momentum * m))
 * ```
 * `trust`, which is 1 here, scales d for those that adapt it.
 */
export function sgd({ momentum, nesterov }: Pick<SgdSettings, 'momentum' | 'nesterov'>): UpdateRule<Scalar> {
  return {
    kernel: nesterov ? 'nesterov' : 'sgd',
    moments: ['momentum_buffer'],
    scalars: ['gradScale', 'weightDecay', 'trust', 'momentum', 'negativeLr'],
    scalarsOf: ({ mul, constant }, { lr, gradScale, weightDecay }) => ({
      gradScale,
      weightDecay: constant(weightDecay),
      trust: constant(1),
      momentum: constant(momentum),
      negativeLr: mul(lr, constant(-1)),
    }),
    update({ add, mul, keep }, { parameter, moments: [buffer] }, gradient, { gradScale, weightDecay, trust, momentum: mu, negativeLr }) {
      const decayed = add(mul(gradient, gradScale), mul(parameter, weightDecay));
      const d = mul(decayed, trust);
      const m = add(mul(buffer!, mu), d);
      const direction = nesterov ? add(d, mul(m, mu)) : m;
      return { parameter: add(keep(parameter), mul(direction, negativeLr)), moments: [m] };
    },
  };
}
