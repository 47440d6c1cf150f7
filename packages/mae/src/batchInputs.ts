import type { BatchInput } from '@maestro/protocol';
import { imagesOf, patchCount, patchLength } from '@maestro/vit';
import { keptPatches, type MaeConfig } from './config.ts';

/** What a masked autoencoder is given: `images`, and `ids_shuffle`, int64 [L], the patches in shuffled order, the kept ones first. */
export function maskedInputs(config: MaeConfig): readonly [images: BatchInput, idsShuffle: BatchInput] {
  return [imagesOf(config), { name: 'ids_shuffle', dtype: 'int64', shape: [patchCount(config)] }];
}

/**
 * `grad_scale` of a step of `planned` images: d(loss)/d(prediction) = 2 error / (P * removed patches * images), so that losses and
 * gradients of micro batches add up to those of the step.
 */
export function maskedLossScale(config: MaeConfig, planned: number): number {
  return 2 / (patchLength(config) * (patchCount(config) - keptPatches(config)) * planned);
}
