const { fround } = Math;

/** Hyperparameters of one AdamW step. `step` counts from 1; `gradScale` multiplies the gradient first (for clipping). */
export interface AdamWOptions {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  readonly step: number;
  readonly gradScale?: number;
}

/** Float32 scalars of one step, for `Kernels.adamW`. */
export interface AdamWScalars {
  readonly gradScale: number;
  /** 1 - lr * weightDecay, for the parameters with weight decay. */
  readonly decay: number;
  /** 1 - beta1. */
  readonly beta1Rest: number;
  readonly beta2: number;
  /** 1 - beta2. */
  readonly beta2Rest: number;
  /** sqrt(1 - beta2^step). */
  readonly correction: number;
  readonly epsilon: number;
  /** -lr / (1 - beta1^step). */
  readonly negativeStepSize: number;
}

/**
 * Computes the scalars of one AdamW step in float64 and rounds each once to float32.
 *
 * @throws RangeError when `step` is not a positive integer.
 */
export function adamWScalars({ lr, beta1, beta2, eps, weightDecay, step, gradScale = 1 }: AdamWOptions): AdamWScalars {
  if (!Number.isSafeInteger(step) || step < 1) throw new RangeError(`adamW: step counts from 1, found ${step}`);
  return {
    gradScale: fround(gradScale),
    decay: fround(1 - lr * weightDecay),
    beta1Rest: fround(1 - beta1),
    beta2: fround(beta2),
    beta2Rest: fround(1 - beta2),
    correction: fround(Math.sqrt(1 - power(beta2, step))),
    epsilon: fround(eps),
    negativeStepSize: fround(-(lr / (1 - power(beta1, step)))),
  };
}

/** Computes base^exponent by squaring: multiplications only, so that no math library can change a bit (`**` may differ between engines). */
function power(base: number, exponent: number): number {
  let result = 1;
  for (let square = base, rest = exponent; rest > 0; rest = Math.floor(rest / 2), square *= square) {
    if (rest % 2 === 1) result *= square;
  }
  return result;
}
