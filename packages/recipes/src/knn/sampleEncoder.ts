import { type AugmentConfig, type Dataset, imageFiller, openLoader, type PositionRange } from '@maestro/data';
import type { Evaluator } from '@maestro/engine';
import { encodeImages, type FeatureSet, toUnitRows } from '@maestro/evaluation';
import type { MaeConfig } from '@maestro/mae';
import { MaestroError } from '@maestro/protocol';
import { permutation } from '@maestro/random';
import { imagesOf } from '@maestro/vit';
import type { MeasuredBatch } from '../measuring/measuring.ts';

/** Encodes the samples of a data set, without augmentation or mask, and keeps their features. */
export interface SampleEncoder {
  /**
   * Encodes the samples at the first of these positions of epoch 0; those at the others are loaded meanwhile. Overwrites earlier features
   * of the same samples.
   * @throws MaestroError `data-invalid`, `non-finite`, `cancelled`.
   */
  encode(wanted: readonly PositionRange[], signal: AbortSignal): Promise<MeasuredBatch>;
  /**
   * Returns the features of all samples, scaled to length 1, in the order of the data set, in place: shared memory. The label of a sample
   * without one, or not encoded, is -1.
   */
  features(): FeatureSet;
  close(): Promise<void>;
}

/** Options of {@link openSampleEncoder}. */
export interface SampleEncoderOptions {
  readonly dataset: Dataset;
  readonly evaluator: Evaluator;
  readonly config: MaeConfig;
  /** Only its normalisation is used. */
  readonly augment: AugmentConfig;
  readonly seed: number;
  readonly microBatch: number;
  /** Returns the class of a sample. Default: the data set's label. */
  readonly labelOf?: (index: number) => number | undefined;
}

/** Opens a sample encoder; its features take 4 bytes x samples x width once they exist, and are never copied. */
export function openSampleEncoder({
  dataset,
  evaluator,
  config,
  augment,
  seed,
  microBatch,
  labelOf = dataset.label,
}: SampleEncoderOptions): SampleEncoder {
  const { embedDim: dim, imageSize } = config;
  const channels = config.channels as 1 | 3;
  const filler = imageFiller({ crop: 'central' });
  const loader = openLoader({ dataset, imageSize, channels, augment, seed, inputs: [imagesOf(config)], filler, microBatch });

  const sampleAt = permutation({ seed, epoch: 0, length: dataset.length });
  const rows = sharedFloats(dataset.length * dim);
  const isEncoded = new Uint8Array(dataset.length);

  return {
    async encode(wanted, signal) {
      loader.prefetch(wanted);
      const positions = wanted[0]!;
      const { inputs, count, digest, content, readings, skipped, release } = await loader.batch(positions, { signal });
      const startedMs = performance.now();
      // A micro-batch of a last step may have no sample.
      const features = count === 0 ? new Float32Array(0) : await encodeImages(evaluator, inputs['images'] as Float32Array, count);
      release();
      const broken = new Set(skipped.map(({ index }) => index));
      const read = Array.from({ length: positions.count }, (_, i) => sampleAt(positions.first + i)).filter((index) => !broken.has(index));
      for (const [row, index] of read.entries()) {
        const own = features.subarray(row * dim, (row + 1) * dim);
        if (!own.every(Number.isFinite)) {
          throw new MaestroError(
            'non-finite',
            `${dataset.name(index)}: its features are not finite; the checkpoint's training had diverged`,
          );
        }
        toUnitRows(own, dim);
        rows.set(own, index * dim);
        isEncoded[index] = 1;
      }
      return { images: count, digest, content, readings, skipped, seconds: (performance.now() - startedMs) / 1000 };
    },
    features() {
      return { features: rows, labels: Int32Array.from(isEncoded, (isThere, index) => (isThere === 1 ? (labelOf(index) ?? -1) : -1)) };
    },
    close: () => loader.close(),
  };
}

/** Allocates memory that threads share; pages that are never written take no space. */
function sharedFloats(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}
