import { MaestroError } from '@maestro/protocol';
import type { Dataset } from '../formats/dataset.ts';
import { type CropBox, centralCropBox } from '../images/cropBox.ts';
import { createPlaneWriter, defaultNormalisation, type Normalisation } from '../images/normalisation.ts';
import { createSquareReader } from '../images/squareReader.ts';
import type { SkippedSample } from './skippedSample.ts';

/** Images for evaluation. */
export interface EvaluationImages {
  /** [indices.length, C, H, W], normalised. */
  readonly images: Float32Array;
  /** The samples in `images`, in order: those requested without the broken ones. */
  readonly indices: readonly number[];
  /** [indices.length], -1 for a sample without a label. */
  readonly labels: Int32Array;
  readonly skipped: readonly SkippedSample[];
}

/** ImageNet evaluation: resize to 256, crop 224. */
const EVALUATION_FRACTION = 224 / 256;

/** Returns the crop of a sample for evaluation: see {@link loadImages}. */
export function evaluationCrop(dataset: Dataset, cropFraction = EVALUATION_FRACTION): (width: number, height: number) => CropBox {
  const source = dataset.source.format === 'subset' ? dataset.source.of : dataset.source;
  const fraction = source.format === 'idx' || (source.format === 'webdataset' && source.isPadded) ? 1 : cropFraction;
  return (width, height) => centralCropBox(width, height, fraction);
}

/**
 * Loads samples without augmentation: from an image file the central square of `cropFraction` x its shorter side, from pixels in memory the
 * whole image centred on black, as in training.
 *
 * @param cropFraction {@link EVALUATION_FRACTION} by default.
 * @throws MaestroError `data-invalid` when a sample cannot be read, `cancelled`.
 */
export async function loadImages(
  dataset: Dataset,
  indices: readonly number[],
  {
    imageSize,
    channels,
    normalisation = defaultNormalisation(channels),
    cropFraction,
    signal,
  }: {
    readonly imageSize: number;
    readonly channels: 1 | 3;
    readonly normalisation?: Normalisation;
    readonly cropFraction?: number;
    readonly signal?: AbortSignal;
  },
): Promise<EvaluationImages> {
  const reader = createSquareReader(dataset, imageSize, channels);
  const writePlanes = createPlaneWriter(imageSize, normalisation);
  const imageLength = channels * imageSize * imageSize;
  const box = evaluationCrop(dataset, cropFraction);
  const images = new Float32Array(indices.length * imageLength);
  const loaded: number[] = [];
  const skipped: SkippedSample[] = [];
  for (const index of indices) {
    if (signal?.aborted) throw new MaestroError('cancelled', 'loading images was cancelled');
    const pixels = await reader.read(index, box);
    if ('broken' in pixels) {
      skipped.push({ index, name: dataset.name(index), reason: pixels.broken });
      continue;
    }
    writePlanes(pixels, { out: images, offset: loaded.length * imageLength, isFlipped: false });
    loaded.push(index);
  }
  return {
    images: images.subarray(0, loaded.length * imageLength),
    indices: loaded,
    labels: Int32Array.from(loaded, (index) => dataset.label(index) ?? -1),
    skipped,
  };
}
