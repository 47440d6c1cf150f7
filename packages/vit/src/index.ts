export { type BlockOptions, block } from './block.ts';
export { blockFlops } from './blockFlops.ts';
export { encode, patchifyImages, patchPositions } from './encoder.ts';
export { blocksParameters, encoderParameters, linearParameters, normParameters } from './encoderParameters.ts';
export { gridSize, type PatchGeometry, patchCount, patchLength, type VitConfig } from './geometry.ts';
export { BATCH, batchInput, imagesInput, imagesOf, type Parameters } from './inputs.ts';
export { linearLayer, normLayer } from './layers.ts';
export { patchify, unpatchify } from './patches.ts';
export { encoderPositions, sinCosPositions } from './positions.ts';
