import { MaestroError } from '@maestro/protocol';
/** Added to a patch's variance before the square root when targets are normalised (reference implementation). */
export const TARGET_EPS = 1e-6;
/** The statistics of ImageNet's training images (RGB) that the paper's recipes normalise with. */
export const IMAGENET_STATISTICS = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};
/**
 * Normalises each patch by its own mean and unbiased variance (n - 1) over all its values: the target of `normPixLoss`.
 * @param patches [any, P] in one array. @returns the same shape, in `out` (which may be `patches` itself).
 */
export function normalisePatches(patches, length, out = new Float32Array(patches.length)) {
  forEachPatch(patches, length, (start, mean, deviation) => {
    for (let i = start; i < start + length; i++) out[i] = (patches[i] - mean) / deviation;
  });
  return out;
}
/**
 * Undoes {@link normalisePatches} on predictions, with the mean and deviation of the true patches, so that a model trained with
 * `normPixLoss` can be looked at.
 * @param prediction [any, P]. @param patches the true patches, same shape. @returns the same shape, in `out`.
 */
export function denormalisePatches({ prediction, patches, length }, out = new Float32Array(prediction.length)) {
  if (prediction.length !== patches.length) {
    throw new MaestroError(
      'invalid-argument',
      `denormalisePatches: expected ${patches.length} predicted values, found ${prediction.length}`,
    );
  }
  forEachPatch(patches, length, (start, mean, deviation) => {
    for (let i = start; i < start + length; i++) out[i] = prediction[i] * deviation + mean;
  });
  return out;
}
function forEachPatch(patches, length, visit) {
  for (let start = 0; start < patches.length; start += length) {
    let sum = 0;
    for (let i = start; i < start + length; i++) sum += patches[i];
    const mean = sum / length;
    let squares = 0;
    for (let i = start; i < start + length; i++) squares += (patches[i] - mean) ** 2;
    visit(start, mean, Math.sqrt(squares / (length - 1) + TARGET_EPS));
  }
}
//# sourceMappingURL=pixels.js.map
