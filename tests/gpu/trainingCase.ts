import { openTrainer, type Trainer, type TrainerOptions } from '@maestro/engine';
import { copyFloats } from '@maestro/kernels';
import {
  buildTrainingModel,
  type FlatLayout,
  flatLayout,
  keptPatches,
  type MaeConfig,
  maeConfig,
  parameterSpecs,
  patchCount,
  patchLength,
} from '@maestro/mae';
import type { JobSpec } from '@maestro/protocol';
import { formulaInputs, formulaParameters } from '../support/formula.ts';

/** The models of the check, from the smallest to the one that people train. */
export const CASE_NAMES = ['nano', 'tiny', 'vitB'] as const;
export type CaseName = (typeof CASE_NAMES)[number];

const NANO = {
  imageSize: 24,
  channels: 3,
  patchSize: 4,
  embedDim: 16,
  depth: 2,
  numHeads: 2,
  decoderEmbedDim: 8,
  decoderDepth: 2,
  decoderNumHeads: 2,
};
const MODELS: Readonly<Record<CaseName, Partial<JobSpec['model']>>> = {
  nano: NANO as Partial<JobSpec['model']>,
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
  const { channels, imageSize } = config;
  return {
    name,
    config,
    layout,
    async open(batch, options) {
      const trainer = await openTrainer({
        trainingModel: buildTrainingModel(config),
        layout,
        imageShape: [channels, imageSize, imageSize],
        patches: patchCount(config),
        microBatch: batch,
        maxPartials: 1,
        treeDepth: 0,
        ...options,
      });
      await trainer.load({ parameters: formulaParameters(layout), step: 0 });
      return trainer;
    },
  };
}

/** A batch by formula. */
export function formulaBatch(config: MaeConfig, count: number) {
  const gradScale = 2 / (patchLength(config) * (patchCount(config) - keptPatches(config)) * count);
  return { ...formulaInputs(config, count), count, gradScale };
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
