import { type MaeConfig, maeConfig } from '@maestro/mae';
import { NANO } from '../support/model/formulaTrainer.ts';

/** The models of the fixtures, by the names of their files: the tiny preset, and a smaller one that has three channels. */
const MODELS = {
  tiny: { preset: 'mae_vit_tiny_patch4' },
  nano: NANO,
} as const;

/** One model with one kind of target, as the fixtures have them. */
export interface FixtureCase {
  readonly model: keyof typeof MODELS;
  readonly kind: 'norm' | 'raw';
  readonly config: MaeConfig;
}

/** Images in every fixture. */
export const FIXTURE_IMAGES = 3;

/** Every model with normalised and with raw targets. */
export const FIXTURE_CASES: readonly FixtureCase[] = (['tiny', 'nano'] as const).flatMap((model) =>
  (['norm', 'raw'] as const).map((kind) => ({ model, kind, config: maeConfig({ ...MODELS[model], normPixLoss: kind === 'norm' }) })),
);
