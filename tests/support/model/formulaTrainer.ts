import { openTrainer, type Trainer, type TrainerOptions } from '@maestro/engine';
import { buildTrainingModel, type MaeConfig, maskedInputs, maskedLossScale } from '@maestro/mae';
import type { ParameterLayout } from '@maestro/tensors';
import { formulaInputs, formulaParameters } from './formula.ts';

/** A model of three channels, smaller than any preset. */
export const NANO = {
  imageSize: 24,
  channels: 3,
  patchSize: 4,
  embedDim: 16,
  depth: 2,
  numHeads: 2,
  decoderEmbedDim: 8,
  decoderDepth: 2,
  decoderNumHeads: 2,
} as const;

/** Opens a trainer of a model with parameters by formula, so that no file is needed; by default for one virtual rank. */
export async function openFormulaTrainer(
  { config, layout }: { readonly config: MaeConfig; readonly layout: ParameterLayout },
  options: Partial<TrainerOptions> & Pick<TrainerOptions, 'microBatch'>,
): Promise<Trainer> {
  const trainer = await openTrainer({
    trainingModel: buildTrainingModel(config),
    layout,
    inputs: maskedInputs(config),
    maxPartials: 1,
    treeDepth: 0,
    ...options,
  });
  await trainer.load({ parameters: formulaParameters(layout), step: 0 });
  return trainer;
}

/** Returns a batch by formula, scaled as one of the `batches` of a step. */
export function formulaBatch(config: MaeConfig, count: number, batches = 1) {
  const { images, idsShuffle } = formulaInputs(config, count);
  return { inputs: { images, ids_shuffle: idsShuffle }, count, gradScale: maskedLossScale(config, count * batches) };
}
