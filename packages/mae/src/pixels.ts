import { MaestroError } from '@maestro/protocol';

/** Added to a patch's variance before the square root when targets are normalised (reference implementation). */
export const TARGET_EPS = 1e-6;

/** Mean and standard deviation of each channel on the 0..1 scale. */
export interface PixelStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** The statistics of ImageNet's training images (RGB) that the paper's recipes normalise with. */
export const IMAGENET_STATISTICS: PixelStatistics = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

/**
 * Returns predictions of a model trained with `normPixLoss` as pixels: it predicts each patch less its mean, over its unbiased deviation
 * (n - 1), and these of the true patches undo that.
 * @param prediction [any, P]. @param patches the true patches, same shape. @returns the same shape, in `out`.
 */
export function denormalisePatches(
  {
    prediction,
    patches,
    length,
  }: {
    readonly prediction: Float32Array;
    readonly patches: Float32Array;
    readonly length: number;
  },
  out: Float32Array = new Float32Array(prediction.length),
): Float32Array {
  if (prediction.length !== patches.length) {
    throw new MaestroError(
      'invalid-argument',
      `denormalisePatches: expected ${patches.length} predicted values, found ${prediction.length}`,
    );
  }
  for (let start = 0; start < patches.length; start += length) {
    let sum = 0;
    for (let i = start; i < start + length; i++) sum += patches[i]!;
    const mean = sum / length;
    let squares = 0;
    for (let i = start; i < start + length; i++) squares += (patches[i]! - mean) ** 2;
    const deviation = Math.sqrt(squares / (length - 1) + TARGET_EPS);
    for (let i = start; i < start + length; i++) out[i] = prediction[i]! * deviation + mean;
  }
  return out;
}
