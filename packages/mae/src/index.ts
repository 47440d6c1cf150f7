export { decode, splitIds } from './autoencoder.ts';
export { maskedInputs, maskedLossScale } from './batchInputs.ts';
export { keptPatches, type MaeConfig, type MaeOptions, type Masking, maeConfig } from './config.ts';
export { buildEncoderModel, buildEvalModel, buildPackedEncoder, evalGraph } from './evalModel.ts';
export { type ForwardFlops, forwardFlops } from './flops.ts';
export { drawTensor, initParameters } from './initialise.ts';
export { squaredErrorLoss, targetOf } from './loss.ts';
export {
  drawIdsShuffle,
  drawMaskNoise,
  type MaskAddress,
} from './masking.ts';
export { isEncoderParameter, parameterSpecs } from './parameters.ts';
export {
  denormalisePatches,
  IMAGENET_STATISTICS,
  type PixelStatistics,
} from './pixels.ts';
export type { MaePreset } from './presets.ts';
export { buildTrainingModel, trainingGraph } from './trainingModel.ts';
