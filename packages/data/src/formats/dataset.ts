import type { BoundedFolderOptions } from '../blocks/boundedFolder.ts';
import type { DatasetSource } from './datasetSource.ts';

/** One sample as stored: pixels, the bytes of an image file, or the reason why it is known to be broken. */
export type Sample =
  | {
      readonly kind: 'pixels';
      /** [height, width, channels]; read-only. */
      readonly data: Uint8Array;
      readonly width: number;
      readonly height: number;
      readonly channels: 1 | 3;
      /** True when an image smaller than the requested square is centred on black instead of being enlarged. */
      readonly isPadded: boolean;
    }
  | { readonly kind: 'encoded'; readonly bytes: Uint8Array }
  | { readonly kind: 'broken'; readonly reason: string };

/** A data set: samples 0..length-1 in an order that is the same on every machine. */
export interface Dataset {
  readonly length: number;
  /** Channels of the samples as stored; image files count as 3. */
  readonly channels: 1 | 3;
  /** Class names by label; empty when the samples have no labels. */
  readonly classes: readonly string[];
  /** SHA-256 (hex) over count, names, sizes and content (image folders: of samples spread evenly over the set). Independent of the path. */
  readonly fingerprint: string;
  /** True when an equal fingerprint guarantees equal bytes: it covers all content, and every read is verified against it. */
  readonly isFingerprintWhole: boolean;
  readonly source: DatasetSource;
  /** Returns a name by which a person can find the sample: the file's path under the root, or `train#17`. */
  name(index: number): string;
  /** Returns the size of the sample's image before packing, without reading it: samples with equal bytes have equal sizes. */
  sizeBytes(index: number): number;
  /**
   * Returns a content hash of the beginning, at most 64 KiB, of the image that {@link Dataset.sizeBytes} refers to. @throws MaestroError
   * `data-invalid`.
   */
  probe(index: number): Promise<number>;
  /** Returns the class of a sample, 0..classes.length-1; undefined when it has none. */
  label(index: number): number | undefined;
  /** @throws MaestroError `data-invalid` when the stored sample cannot be read or is not the one that was fingerprinted. */
  read(index: number): Promise<Sample>;
  /** Announces a sample that is read soon; present when reading ahead helps. */
  prefetch?(index: number): void;
}

/** Options of {@link openDataset}. */
export interface OpenDatasetOptions {
  readonly signal?: AbortSignal;
  /** Cache for parts of remote data sets. Default: none. */
  readonly cache?: BoundedFolderOptions | undefined;
  /** Time for which requests to an unresponsive server of a packed data set are retried, in milliseconds. Default: five minutes. */
  readonly patienceMs?: number | undefined;
}
