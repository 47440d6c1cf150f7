import { imagesOf, patchCount, patchLength } from '@maestro/vit';
import { keptPatches } from './config.js';
/** What a masked autoencoder is given: `images`, and `ids_shuffle`, int64 [L], the patches in shuffled order, the kept ones first. */
export function maskedInputs(config) {
  return [imagesOf(config), { name: 'ids_shuffle', dtype: 'int64', shape: [patchCount(config)] }];
}
/**
 * `grad_scale` of a step of `planned` images: d(loss)/d(prediction) = 2 error / (P * removed patches * images), so that losses and
 * gradients of micro batches add up to those of the step.
 */
export function maskedLossScale(config, planned) {
  return 2 / (patchLength(config) * (patchCount(config) - keptPatches(config)) * planned);
}
//# sourceMappingURL=batchInputs.js.map
