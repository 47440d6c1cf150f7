export { decode, splitIds } from './autoencoder.ts';
export { maskedInputs, maskedLossScale } from './batchInputs.ts';
export { keptPatches, type MaeConfig, type MaeOptions, type Masking, maeConfig } from './config.ts';
export { decoderPositions } from './decoderPositions.ts';
export { buildEncoderModel, buildEvalModel, buildPackedEncoder, encoderGraph, evalGraph } from './evalModel.ts';
export { type ForwardFlops, forwardFlops } from './flops.ts';
export { drawTensor, initParameters, initTensor } from './initialise.ts';
export {
  accuracy,
  type FeatureTable,
  type KnnClassifierOptions,
  type KnnOptions,
  knnClassify,
  openKnnClassifier,
  toUnitRows,
} from './knn.ts';
export {
  type LearningRateSchedule,
  learningRateAt,
  peakLearningRate,
} from './learningRate.ts';
export { squaredErrorLoss, targetOf } from './loss.ts';
export {
  drawIdsShuffle,
  drawMaskNoise,
  idsRestore,
  type MaskAddress,
} from './masking.ts';
export { isEncoderParameter, parameterSpecs } from './parameters.ts';
export {
  denormalisePatches,
  IMAGENET_STATISTICS,
  normalisePatches,
  type PixelStatistics,
  TARGET_EPS,
} from './pixels.ts';
export { type MaePreset, PRESETS } from './presets.ts';
export { buildTrainingModel, trainingGraph } from './trainingModel.ts';
