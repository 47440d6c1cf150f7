import type { SegmentedFloats } from '@maestro/kernels';

const { fround } = Math;

/** What a user sets of the outer optimiser. */
export interface OuterOptions {
  /** Outer learning rate; 0.7 in the paper. */
  readonly lr: number;
  /** Nesterov momentum; 0.9 in the paper. */
  readonly momentum: number;
  /** Replicas of the job, over which `deltas` is a sum. */
  readonly replicas: number;
}

/** The vectors of an outer step, equally cut. Momentum and deltas are as long as the trainable parameters, which come first. */
export interface OuterVectors {
  /** Outer parameters, updated. */
  readonly parameters: SegmentedFloats;
  /** Running sum of the mean deltas, updated; zero before the first outer step. */
  readonly momentum: SegmentedFloats;
  /** Sum over all replicas of outer parameters - parameters. */
  readonly deltas: SegmentedFloats;
}

/** target = left - right, element by element of target, on equally cut vectors. */
export function subtractFloats(target: SegmentedFloats, left: SegmentedFloats, right: SegmentedFloats): void {
  target.parts.forEach(({ floats }, k) => {
    const [a, b] = [left.parts[k]!.floats, right.parts[k]!.floats];
    for (let i = 0; i < floats.length; i++) floats[i] = a[i]! - b[i]!;
  });
}

/**
 * One outer step of DiLoCo (Douillard et al. 2023, arXiv 2311.08105, algorithm 1): SGD with Nesterov momentum, in PyTorch's order, on the
 * mean delta as if it were a gradient. Each operation is rounded to float32:
 * ```
 * g = deltas / replicas
 * m = m * momentum + g
 * p = p - lr * (g + momentum * m)
 * ```
 */
export function applyOuterStep({ parameters, momentum, deltas }: OuterVectors, options: OuterOptions): void {
  const { replicas } = options;
  const [lr, mu] = [fround(options.lr), fround(options.momentum)];
  deltas.parts.forEach(({ floats: d }, k) => {
    const [p, m] = [parameters.parts[k]!.floats, momentum.parts[k]!.floats];
    for (let i = 0; i < d.length; i++) {
      const g = fround(d[i]! / replicas);
      const next = fround(fround(m[i]! * mu) + g);
      m[i] = next;
      p[i] = p[i]! - fround(lr * fround(g + fround(mu * next)));
    }
  });
}
