import type { Evaluator } from '@maestro/engine';
import { denormalisePatches, drawIdsShuffle, drawMaskNoise, type MaeConfig, type PixelStatistics } from '@maestro/mae';
import { patchCount, patchify, patchLength, unpatchify } from '@maestro/vit';
import { evaluateMasked } from './openModel.ts';

/** Images with their reconstructions; every array is [count, C, H, W] on the normalised scale of the input. */
export interface Reconstruction {
  readonly count: number;
  readonly original: Float32Array;
  /** Removed patches are mid-grey. */
  readonly masked: Float32Array;
  /** The model's prediction for every patch. */
  readonly prediction: Float32Array;
  /** The prediction where patches were removed, the original elsewhere. */
  readonly pasted: Float32Array;
  /** Squared error per removed value on the 0..1 scale of pixels, mean over images and patches. */
  readonly maskedMse: number;
  /** The same for a baseline that fills every removed patch with the mean of the image's visible pixels, channel by channel. */
  readonly meanFillMse: number;
}

/** Options of {@link reconstruct}. */
export interface ReconstructOptions {
  readonly evaluator: Evaluator;
  readonly config: MaeConfig;
  /** [count, C, H, W], normalised with `statistics`. */
  readonly images: Float32Array;
  readonly statistics: PixelStatistics;
  /** Seed of the masks, which are drawn from (seed, position of the image), so that two checkpoints get the same ones. */
  readonly seed: number;
  readonly batch?: number;
  /** Called after each batch with its number of images. */
  readonly onProgress?: (images: number) => void;
}

/** Masks images, reconstructs them with the model, and measures the error. */
export async function reconstruct({
  evaluator,
  config,
  images,
  statistics,
  seed,
  batch = 64,
  onProgress,
}: ReconstructOptions): Promise<Reconstruction> {
  const { channels, imageSize } = config;
  const imageLength = channels * imageSize ** 2;
  const count = images.length / imageLength;
  const [L, P] = [patchCount(config), patchLength(config)];
  const maskedPatches = patchify(config, images);
  const noise = new Float32Array(L);
  const predicted = new Float32Array(images.length);
  const pastedPatches = maskedPatches.slice();
  let squares = 0;
  let fillSquares = 0;
  let values = 0;

  for (let first = 0; first < count; first += batch) {
    const n = Math.min(batch, count - first);
    const idsShuffle = new BigInt64Array(n * L);
    for (let i = 0; i < n; i++) {
      drawMaskNoise({ seed, epoch: 0, index: first + i }, noise);
      drawIdsShuffle({ noise }, idsShuffle.subarray(i * L, (i + 1) * L));
    }
    const part = images.subarray(first * imageLength, (first + n) * imageLength);
    const { prediction, mask } = await evaluateMasked(evaluator, { images: part, idsShuffle, count: n });
    const patches = maskedPatches.slice(first * L * P, (first + n) * L * P);
    const inPixels = config.normPixLoss ? denormalisePatches({ prediction, patches, length: P }) : prediction;
    predicted.set(inPixels, first * L * P);
    for (let i = 0; i < n; i++) {
      const fill = visibleMean(patches, mask, { image: i, L, P, channels });
      for (let l = 0; l < L; l++) {
        if (mask[i * L + l] === 0) continue;
        for (let p = 0; p < P; p++) {
          const at = (i * L + l) * P + p;
          const deviation = statistics.std[p % channels]!;
          squares += ((inPixels[at]! - patches[at]!) * deviation) ** 2;
          fillSquares += ((fill[p % channels]! - patches[at]!) * deviation) ** 2;
          maskedPatches[first * L * P + at] = (0.5 - statistics.mean[p % channels]!) / deviation;
          pastedPatches[first * L * P + at] = inPixels[at]!;
        }
        values += P;
      }
    }
    onProgress?.(n);
  }
  return {
    count,
    original: images,
    masked: unpatchify(config, maskedPatches),
    prediction: unpatchify(config, predicted),
    pasted: unpatchify(config, pastedPatches),
    maskedMse: squares / values,
    meanFillMse: fillSquares / values,
  };
}

/** Returns the mean of an image's visible values, per channel. */
function visibleMean(
  patches: Float32Array,
  mask: Float32Array,
  { image, L, P, channels }: { readonly image: number; readonly L: number; readonly P: number; readonly channels: number },
): number[] {
  const sums = new Array<number>(channels).fill(0);
  let visible = 0;
  for (let l = 0; l < L; l++) {
    if (mask[image * L + l] !== 0) continue;
    visible++;
    for (let p = 0; p < P; p++) sums[p % channels]! += patches[(image * L + l) * P + p]!;
  }
  return sums.map((sum) => (sum * channels) / (visible * P));
}
