import type { BatchInput } from '@maestro/protocol';
import { type MaeConfig } from './config.ts';
/** What a masked autoencoder is given: `images`, and `ids_shuffle`, int64 [L], the patches in shuffled order, the kept ones first. */
export declare function maskedInputs(config: MaeConfig): readonly [images: BatchInput, idsShuffle: BatchInput];
/**
 * `grad_scale` of a step of `planned` images: d(loss)/d(prediction) = 2 error / (P * removed patches * images), so that losses and
 * gradients of micro batches add up to those of the step.
 */
export declare function maskedLossScale(config: MaeConfig, planned: number): number;
//# sourceMappingURL=batchInputs.d.ts.map
