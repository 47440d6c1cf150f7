export { decode, splitIds } from './autoencoder.js';
export { maskedInputs, maskedLossScale } from './batchInputs.js';
export { keptPatches, maeConfig } from './config.js';
export { decoderPositions } from './decoderPositions.js';
export { buildEncoderModel, buildEvalModel, buildPackedEncoder, encoderGraph, evalGraph } from './evalModel.js';
export { forwardFlops } from './flops.js';
export { drawTensor, initParameters, initTensor } from './initialise.js';
export { accuracy, knnClassify, openKnnClassifier, toUnitRows } from './knn.js';
export { learningRateAt, peakLearningRate } from './learningRate.js';
export { squaredErrorLoss, targetOf } from './loss.js';
export { drawIdsShuffle, drawMaskNoise, idsRestore } from './masking.js';
export { isEncoderParameter, parameterSpecs } from './parameters.js';
export { denormalisePatches, IMAGENET_STATISTICS, normalisePatches, TARGET_EPS } from './pixels.js';
export { PRESETS } from './presets.js';
export { buildTrainingModel, trainingGraph } from './trainingModel.js';
//# sourceMappingURL=index.js.map
