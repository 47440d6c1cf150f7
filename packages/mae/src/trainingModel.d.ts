import { Graph } from '@maestro/graph';
import type { ParameterSpec } from '@maestro/tensors';
import type { MaeConfig } from './config.ts';
/**
 * The graph of one micro batch, forward and backward.
 *
 * Inputs: every parameter by its name; `images` float32 [N, C, H, W]; `ids_shuffle` int64 [N, L]; `grad_scale` float32 [], see
 * {@link maskedLossScale}.
 *
 * Outputs, in this order: `status`, a sequence (onnxruntime-node writes preallocated outputs and then refuses to return a sequence,
 * which saves it a copy of all of them); `loss` float32 [] = grad_scale / 2 * the sum of squared errors over removed patches;
 * `grad.NAME` for every parameter of `specs` that is trainable, in model order.
 */
export declare function trainingGraph(config: MaeConfig, specs?: readonly ParameterSpec[]): Graph;
/** The training graph as an ONNX model (`training_model.onnx`). See {@link trainingGraph}. */
export declare function buildTrainingModel(config: MaeConfig, specs?: readonly ParameterSpec[]): Uint8Array;
//# sourceMappingURL=trainingModel.d.ts.map
