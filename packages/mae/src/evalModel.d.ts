import { Graph } from '@maestro/graph';
import { type MaeConfig } from './config.ts';
/**
 * The graph that looks at a model: what it reconstructs, and the features of its encoder.
 *
 * Inputs: every parameter by its name; `images` float32 [N, C, H, W]; `ids_shuffle` int64 [N, L].
 *
 * Outputs: `loss` float32 [N], the mean squared error over the removed patches of each image; `prediction` float32 [N, L, P] of all
 * patches in their own order (normalised pixels with `normPixLoss`); `mask` float32 [N, L], 1 where removed; `features` float32
 * [N, D], the mean over patch tokens, class token excluded, of the normalised encoder output on ALL patches.
 */
export declare function evalGraph(config: MaeConfig): Graph;
/** The graph for looking at a model as an ONNX model (`eval_model.onnx`). See {@link evalGraph}. */
export declare function buildEvalModel(config: MaeConfig): Uint8Array;
/**
 * The encoder alone: parameters of the encoder and `images` in, `features` out, the same as those of {@link evalGraph}.
 * ONNX Runtime runs all of a graph whichever outputs are asked for, so for features alone this takes 0.7 of the time (tiny; 0.66 for
 * ViT-B).
 */
export declare function encoderGraph(config: MaeConfig): Graph;
/**
 * The encoder with its weights inside: `images` float32 [N, C, H, W] in, `features` float32 [N, D] out, those of {@link evalGraph}.
 * In pieces that make the file when put one after another; `metadata` goes into it as it is.
 */
export declare function buildPackedEncoder(
  config: MaeConfig,
  valuesOf: (name: string) => Float32Array,
  metadata: Readonly<Record<string, string>>,
): readonly Uint8Array[];
/** The encoder alone as an ONNX model. See {@link encoderGraph}. */
export declare function buildEncoderModel(config: MaeConfig): Uint8Array;
//# sourceMappingURL=evalModel.d.ts.map
