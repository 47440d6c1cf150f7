import type { BoundedFolderOptions } from '../blocks/boundedFolder.ts';
import type { DatasetSource } from './datasetSource.ts';

/** One sample as it is stored: pixels, the bytes of an image file, or what is known to be no image. */
export type Sample =
  | {
      readonly kind: 'pixels';
      /** [height, width, channels], not to be written to. */
      readonly data: Uint8Array;
      readonly width: number;
      readonly height: number;
      readonly channels: 1 | 3;
      /** Whether an image smaller than the square that is wanted is centred on black instead of being enlarged. */
      readonly isPadded: boolean;
    }
  | { readonly kind: 'encoded'; readonly bytes: Uint8Array }
  | { readonly kind: 'broken'; readonly reason: string };

/** A data set: samples 0..length-1 in an order that is the same on every machine. */
export interface Dataset {
  readonly length: number;
  /** Channels of the samples as stored; image files count as 3. */
  readonly channels: 1 | 3;
  /** Class names by label; empty where the samples have no labels. */
  readonly classes: readonly string[];
  /** SHA-256 (hex) over count, names, sizes and content (image folders: of samples spread evenly over the set). Independent of the path. */
  readonly fingerprint: string;
  /**
   * Whether two data sets with one fingerprint have the same bytes for certain: it covers all content, and what is read is checked by it.
   */
  readonly isFingerprintWhole: boolean;
  readonly source: DatasetSource;
  /** A name that lets a person find the sample: the file's path under the root, or `train#17`. */
  name(index: number): string;
  /** Of the sample's image as it was before the data set was packed, without reading it: samples with the same bytes have the same. */
  sizeBytes(index: number): number;
  /** A content hash of the beginning of what {@link Dataset.sizeBytes} is of, at most 64 KiB. @throws MaestroError `data-invalid`. */
  probe(index: number): Promise<number>;
  /** The class of a sample, 0..classes.length-1, or undefined where it has none. */
  label(index: number): number | undefined;
  /** @throws MaestroError `data-invalid` when the stored sample cannot be read or is not the one that was fingerprinted. */
  read(index: number): Promise<Sample>;
  /** Told of a sample that is read soon, where reading ahead helps. */
  prefetch?(index: number): void;
}

/** How a data set is opened. */
export interface OpenDatasetOptions {
  readonly signal?: AbortSignal;
  /** Where parts of data sets on other machines are kept. Default: nowhere. */
  readonly cache?: BoundedFolderOptions | undefined;
  /** For how long a server of a packed data set that stops answering is asked again, in milliseconds. Default: five minutes. */
  readonly patienceMs?: number | undefined;
}
