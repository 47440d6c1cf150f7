import type { BlockedShard } from '../blocks/blockReader.ts';
import type { BoundedFolderOptions } from '../blocks/boundedFolder.ts';

/** An IDX data set in shared memory. */
export interface IdxSource {
  readonly format: 'idx';
  readonly split: 'train' | 'test';
  readonly length: number;
  readonly height: number;
  readonly width: number;
  /** [length, height, width], one byte per pixel. */
  readonly pixels: SharedArrayBuffer;
  /** [length]; undefined without a label file. */
  readonly labels: SharedArrayBuffer | undefined;
  readonly fingerprint: string;
}

/** A listed image folder. */
export interface ImageFolderSource {
  readonly format: 'image-folder';
  /** Absolute path without symbolic links. */
  readonly root: string;
  /** Paths under `root` with `/` between folders, sorted by UTF-16 code unit. */
  readonly names: readonly string[];
  /** Size of each file in bytes; a file whose size has changed is not the file that was fingerprinted. */
  readonly sizes: readonly number[];
  /** First-level folders of the names, sorted; a class's label is its position here. */
  readonly classes: readonly string[];
  readonly fingerprint: string;
}

/** An opened packed data set. */
export interface WebDatasetSource {
  readonly format: 'webdataset';
  /** Location of the shards: a folder, or a URL. */
  readonly location: string;
  readonly content: 'encoded' | 'pixels';
  readonly channels: 1 | 3;
  readonly isPadded: boolean;
  readonly imageRule?: number | undefined;
  readonly classes: readonly string[];
  readonly blockBytes: number;
  readonly shards: readonly BlockedShard[];
  readonly names: readonly string[];
  /** For each sample, in shared memory: its shard, its offset there, its class or -1, and, for pixels, its width and height. */
  readonly shardOf: Uint32Array;
  readonly offsets: Float64Array;
  readonly sizes: Uint32Array;
  readonly labels: Int32Array;
  readonly widths: Uint32Array;
  readonly heights: Uint32Array;
  readonly broken: ReadonlyMap<number, string>;
  /** Size and probe of each image before packing; undefined for packs of older versions, which are distinguished by their content. */
  readonly sourceSizes: Uint32Array | undefined;
  readonly sourceProbes: Float64Array | undefined;
  readonly fingerprint: string;
  /** Times at which a local folder's blocks were verified: `blockChecks`. */
  readonly checks: Float64Array;
  /** Cache for remote blocks; undefined: none. */
  readonly cache: BoundedFolderOptions | undefined;
  /** Time for which requests to an unresponsive server are retried; undefined: five minutes. */
  readonly patienceMs: number | undefined;
}

/** A subset of another data set. */
export interface SubsetSource<Whole> {
  readonly format: 'subset';
  readonly of: Whole;
  readonly part: DatasetPart;
  /** Indices of the samples in the other data set, in shared memory. */
  readonly indices: Uint32Array;
}

/** The part of a data set to open: the training samples, the held-out ones, or all. */
export type DatasetPart = 'training' | 'held-out' | 'all';

/** Describes an open data set to another thread: structured-cloneable, with pixels shared and not copied. */
export type DatasetSource = WholeSource | SubsetSource<WholeSource>;

/** A data set that is not a subset of another one. */
export type WholeSource = IdxSource | ImageFolderSource | WebDatasetSource;
