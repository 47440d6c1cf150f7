import { type Tensor } from '@maestro/graph';
import { type MaeConfig } from './config.ts';
/** What the model is to predict for `patches` [N, any, P]: the pixels, or with `normPixLoss` the pixels normalised within each patch. */
export declare function targetOf(patches: Tensor, config: MaeConfig): Tensor;
/**
 * gradScale / 2 times the sum of squared errors, summed within rows first: one sum over everything loses digits (6e-6 at ViT-B).
 * Its gradient is gradScale * (prediction - target); no gradient flows into target and gradScale.
 * @param prediction [rows, P]. @param gradScale a scalar. @returns a scalar.
 */
export declare function squaredErrorLoss(prediction: Tensor, target: Tensor, gradScale: Tensor): Tensor;
//# sourceMappingURL=loss.d.ts.map
