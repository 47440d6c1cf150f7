import { type AugmentConfig, type Dataset, openLoader, type PositionRange } from '@maestro/data';
import type { Evaluator } from '@maestro/engine';
import type { FeatureSet } from '@maestro/evaluation';
import { type MaeConfig, patchCount } from '@maestro/mae';
import { MaestroError, type SkippedImage } from '@maestro/protocol';
import { permutation } from '@maestro/random';

/** What became of one batch. */
export interface EncodedBatch {
  /** Images that were read. */
  readonly images: number;
  /** Of all samples that were taken, broken ones too. */
  readonly digest: number;
  readonly skipped: readonly SkippedImage[];
  /** Time of the encoder alone. */
  readonly seconds: number;
}

/** Encodes the samples of a data set, without augmentation or mask, and keeps their features. */
export interface SampleEncoder {
  /**
   * Encodes the samples at the first of these positions of epoch 0; those at the others are loaded meanwhile. What was encoded before is
   * written again.
   * @throws MaestroError `data-invalid`, `non-finite`, `cancelled`.
   */
  encode(wanted: readonly PositionRange[], signal: AbortSignal): Promise<EncodedBatch>;
  /** Features of the samples encoded so far that have a label, in the order of the data set, backed by shared memory. */
  features(): FeatureSet;
  close(): Promise<void>;
}

/** What {@link openSampleEncoder} takes. */
export interface SampleEncoderOptions {
  readonly dataset: Dataset;
  readonly evaluator: Evaluator;
  readonly config: MaeConfig;
  /** Of which the normalisation counts. */
  readonly augment: AugmentConfig;
  readonly seed: number;
  readonly microBatch: number;
  /** The class of a sample. Default: what the data set says. */
  readonly labelOf?: (index: number) => number | undefined;
}

/** Opens a sample encoder; its features take 4 bytes x samples x width once they are there. */
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
  const patches = patchCount(config);
  const loader = openLoader({ dataset, imageSize, channels, augment, crop: 'central', seed, patches, microBatch });
  const sampleAt = permutation({ seed, epoch: 0, length: dataset.length });
  const rows = sharedFloats(dataset.length * dim);
  const isEncoded = new Uint8Array(dataset.length);

  return {
    async encode(wanted, signal) {
      loader.prefetch(wanted);
      const positions = wanted[0]!;
      const { images, count, digest, skipped, release } = await loader.batch(positions, { signal });
      const startedMs = performance.now();
      // A micro-batch of a last step may have no sample.
      const features = count === 0 ? new Float32Array(0) : await evaluator.features(images, count);
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
        rows.set(own, index * dim);
        isEncoded[index] = 1;
      }
      return { images: count, digest, skipped, seconds: (performance.now() - startedMs) / 1000 };
    },
    features() {
      const labelled = Array.from(isEncoded.keys()).filter((index) => isEncoded[index] === 1 && labelOf(index) !== undefined);
      const labels = Int32Array.from(labelled, (index) => labelOf(index)!);
      if (labelled.length === dataset.length) return { features: rows, labels };
      const features = sharedFloats(labelled.length * dim);
      for (const [row, index] of labelled.entries()) features.set(rows.subarray(index * dim, (index + 1) * dim), row * dim);
      return { features, labels };
    },
    close: () => loader.close(),
  };
}

/** Memory that threads share; pages that are not written are not taken. */
function sharedFloats(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}
