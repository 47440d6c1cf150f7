export { type DrawnCheckpoint, drawCheckpoint } from './drawCheckpoint.ts';
export { heldOutImages } from './heldOut.ts';
export { encodeSamples, type FeatureSet, knnAccuracy, spread } from './knnAccuracy.ts';
export { loadCheckpoint, loadParameters, type OpenModel, openModel, specOfCheckpoint } from './openModel.ts';
export { reconstructionPicture } from './picture.ts';
export { type Reconstruction, reconstruct } from './reconstruct.ts';
