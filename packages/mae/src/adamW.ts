import type { ParameterSpec } from './parameters.ts';

/** The settings of AdamW (Loshchilov & Hutter 2019) that stay the same for a whole run. */
export interface AdamWSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Decoupled decay: p -= lr * weightDecay * p, before the step. Applies where {@link ParameterSpec.decay} is set. */
  readonly weightDecay: number;
}

/** The paper's settings for pre-training (table 8): betas .9 and .95 (Chen et al. 2020), weight decay .05. */
export const ADAMW_DEFAULTS: AdamWSettings = {
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  weightDecay: 0.05,
};

/** The parameters that decay and those that do not, each in model order. */
export interface ParameterGroups<T extends ParameterSpec> {
  readonly decay: readonly T[];
  readonly noDecay: readonly T[];
}

/** Splits parameters into AdamW's two groups. */
export function parameterGroups<T extends ParameterSpec>(specs: readonly T[]): ParameterGroups<T> {
  return {
    decay: specs.filter(({ decay }) => decay),
    noDecay: specs.filter(({ decay }) => !decay),
  };
}

/** Decay of one parameter under `settings`. */
export function weightDecayOf(spec: ParameterSpec, { weightDecay }: Pick<AdamWSettings, 'weightDecay'> = ADAMW_DEFAULTS): number {
  return spec.decay ? weightDecay : 0;
}
