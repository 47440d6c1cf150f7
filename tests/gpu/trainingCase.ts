import type { Trainer, TrainerOptions } from '@maestro/engine';
import { copyFloats } from '@maestro/kernels';
import { type MaeConfig, maeConfig, parameterSpecs } from '@maestro/mae';
import type { JobSpec } from '@maestro/protocol';
import { type FlatLayout, flatLayout } from '@maestro/tensors';
import { formulaBatch, NANO, openFormulaTrainer } from '../support/model/formulaTrainer.ts';

export { formulaBatch };

/** The models of the check, from the smallest to the one that people train. */
export const CASE_NAMES = ['nano', 'tiny', 'vitB'] as const;
export type CaseName = (typeof CASE_NAMES)[number];

const MODELS: Readonly<Record<CaseName, Partial<JobSpec['model']>>> = {
  nano: NANO,
  tiny: { preset: 'mae_vit_tiny_patch4' },
  vitB: { preset: 'mae_vit_base_patch16' },
};

/** How a trainer of the check is opened. */
export type DeviceOptions = Pick<TrainerOptions, 'device' | 'cuda' | 'engine' | 'isResident' | 'threads'>;

/** A model with weights and inputs by formula, so that no file carries them. */
export interface TrainingCase {
  readonly name: CaseName;
  readonly config: MaeConfig;
  readonly layout: FlatLayout;
  open(batch: number, options: DeviceOptions): Promise<Trainer>;
}

/** The case of that name. */
export function trainingCase(name: CaseName): TrainingCase {
  const config = maeConfig(MODELS[name]);
  const layout = flatLayout(parameterSpecs(config));
  return {
    name,
    config,
    layout,
    open: (batch, options) => openFormulaTrainer({ config, layout }, { microBatch: batch, ...options }),
  };
}

/** Loss and gradient of the batch by formula. */
export async function gradientOf({ config, layout }: TrainingCase, trainer: Trainer, count: number) {
  const { loss } = await trainer.forwardBackward(formulaBatch(config, count));
  await trainer.pushLeaf();
  await trainer.takeReduced();
  const gradient = new Float32Array(layout.length);
  copyFloats(gradient, trainer.reduced);
  return { loss, gradient };
}
