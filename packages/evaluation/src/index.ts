export { type DrawnCheckpoint, drawCheckpoint } from './drawCheckpoint.ts';
export { openHeldOut } from './heldOut.ts';
export { toUnitRows } from './knn.ts';
export { encodeSamples, type FeatureSet, knnAccuracy, spread } from './knnAccuracy.ts';
export { knnAccuracyInThread } from './knnInThread.ts';
export { encodeImages, loadCheckpoint, loadParameters, type OpenModel, openModel } from './openModel.ts';
export { reconstructionPicture } from './picture.ts';
export { type Reconstruction, reconstruct } from './reconstruct.ts';
export { requireDecoded } from './requireDecoded.ts';
