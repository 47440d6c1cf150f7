export { decode, encode, patchifyImages, patchPositions, splitIds } from './autoencoder.ts';
export { imagesOf, maskedInputs, maskedLossScale } from './batchInputs.ts';
export {
  gridSize,
  keptPatches,
  type MaeConfig,
  type MaeOptions,
  type Masking,
  maeConfig,
  patchCount,
  patchLength,
} from './config.ts';
export { buildEncoderModel, buildEvalModel, buildPackedEncoder, encoderGraph, evalGraph } from './evalModel.ts';
export { blockFlops, type ForwardFlops, forwardFlops } from './flops.ts';
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
export { linearLayer, normLayer } from './layers.ts';
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
export { BATCH } from './modelInputs.ts';
export { isEncoderParameter, parameterSpecs } from './parameters.ts';
export { patchify, unpatchify } from './patches.ts';
export {
  denormalisePatches,
  IMAGENET_STATISTICS,
  normalisePatches,
  type PixelStatistics,
  TARGET_EPS,
} from './pixels.ts';
export {
  decoderPositions,
  encoderPositions,
  sinCosPositions,
} from './positions.ts';
export { type MaePreset, PRESETS } from './presets.ts';
export { buildTrainingModel, trainingGraph } from './trainingModel.ts';
