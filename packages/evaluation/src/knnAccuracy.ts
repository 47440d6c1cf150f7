import type { Dataset, Normalisation } from '@maestro/data';
import { loadImages } from '@maestro/data';
import type { Evaluator } from '@maestro/engine';
import type { MaeConfig } from '@maestro/mae';
import { accuracy, type KnnOptions, knnClassify } from './knn.ts';
import { encodeImages } from './openModel.ts';

/** Encoded samples with labels. */
export interface FeatureSet {
  /** [count, D] */
  readonly features: Float32Array;
  /** Class of each sample; -1 when there is none, allowed only in {@link knnAccuracyInThread}. */
  readonly labels: Int32Array;
}

/** Options of {@link encodeSamples}. */
export interface EncodeOptions {
  readonly evaluator: Evaluator;
  readonly config: MaeConfig;
  readonly dataset: Dataset;
  readonly normalisation: Normalisation;
  /** Maximum samples to encode; they are spread evenly over the data set. */
  readonly samples: number;
  readonly batch?: number;
  /** Called after each batch with its number of samples, broken ones included. */
  readonly onProgress?: (samples: number) => void;
}

/** Encodes samples without masking, to the mean of the patch tokens after the encoder's last norm. */
export async function encodeSamples({
  evaluator,
  config,
  dataset,
  normalisation,
  samples,
  batch = 128,
  onProgress,
}: EncodeOptions): Promise<FeatureSet> {
  const { embedDim, imageSize, channels } = config;
  const wanted = spread(dataset.length, samples);
  const features = new Float32Array(wanted.length * embedDim);
  const labels = new Int32Array(wanted.length);
  let done = 0;
  for (let first = 0; first < wanted.length; first += batch) {
    const loaded = await loadImages(dataset, wanted.slice(first, first + batch), { imageSize, channels: channels as 1 | 3, normalisation });
    const count = loaded.indices.length;
    features.set(await encodeImages(evaluator, loaded.images, count), done * embedDim);
    labels.set(loaded.labels, done);
    done += count;
    onProgress?.(Math.min(batch, wanted.length - first));
  }
  return { features: features.subarray(0, done * embedDim), labels: labels.subarray(0, done) };
}

/**
 * Returns the share of `test` whose class is predicted by the k nearest samples of `train` (defaults: k = 200, cosine similarity,
 * temperature 0.07).
 */
export function knnAccuracy(train: FeatureSet, test: FeatureSet, dim: number, options: Pick<KnnOptions, 'k' | 'temperature'> = {}): number {
  return accuracy(knnClassify({ train, test: test.features, dim, ...options }), test.labels);
}

/** Returns `count` indices of 0..length-1, evenly spread; all of them when there are fewer. */
export function spread(length: number, count: number): number[] {
  const taken = Math.min(length, count);
  return Array.from({ length: taken }, (_, i) => Math.floor((i * length) / taken));
}
