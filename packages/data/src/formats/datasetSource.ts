import type { BlockedShard } from '../blocks/blockReader.ts';
import type { BoundedFolderOptions } from '../blocks/boundedFolder.ts';

/** An IDX data set in shared memory. */
export interface IdxSource {
  readonly format: 'idx';
  readonly split: 'train' | 'test';
  readonly length: number;
  readonly height: number;
  readonly width: number;
  /** [length, height, width], one byte a pixel. */
  readonly pixels: SharedArrayBuffer;
  /** [length], or undefined where there is no label file. */
  readonly labels: SharedArrayBuffer | undefined;
  readonly fingerprint: string;
}

/** A listed image folder. */
export interface ImageFolderSource {
  readonly format: 'image-folder';
  /** Absolute and free of links. */
  readonly root: string;
  /** Paths under `root` with `/` between folders, sorted by UTF-16 code unit. */
  readonly names: readonly string[];
  /** The size of each file in bytes; a file whose size has changed is not the file that was fingerprinted. */
  readonly sizes: readonly number[];
  /** The first folder of the names, sorted; a name's class is its position here. */
  readonly classes: readonly string[];
  readonly fingerprint: string;
}

/** A packed data set that was opened. */
export interface WebDatasetSource {
  readonly format: 'webdataset';
  /** Of the shards: a folder, or a URL. */
  readonly location: string;
  readonly content: 'encoded' | 'pixels';
  readonly channels: 1 | 3;
  readonly isPadded: boolean;
  readonly imageRule?: number | undefined;
  readonly classes: readonly string[];
  readonly blockBytes: number;
  readonly shards: readonly BlockedShard[];
  readonly names: readonly string[];
  /** For each sample, in shared memory: its shard, where it is in it, its class or -1, and its extent where it is pixels. */
  readonly shardOf: Uint32Array;
  readonly offsets: Float64Array;
  readonly sizes: Uint32Array;
  readonly labels: Int32Array;
  readonly widths: Uint32Array;
  readonly heights: Uint32Array;
  readonly broken: ReadonlyMap<number, string>;
  /** Size and probe of each image as it was packed; undefined in packs of older versions, which are told apart by what is in them. */
  readonly sourceSizes: Uint32Array | undefined;
  readonly sourceProbes: Float64Array | undefined;
  readonly fingerprint: string;
  /** Which blocks of a folder's shards were read and found right: `blockChecks`. */
  readonly checks: Float64Array;
  /** Where blocks from elsewhere are kept; undefined: nowhere. */
  readonly cache: BoundedFolderOptions | undefined;
  /** For how long a server that does not answer is asked again; undefined: five minutes. */
  readonly patienceMs: number | undefined;
}

/** A part of another data set. */
export interface SubsetSource<Whole> {
  readonly format: 'subset';
  readonly of: Whole;
  readonly part: DatasetPart;
  /** The samples, by their index in the other one, in shared memory. */
  readonly indices: Uint32Array;
}

/** Which samples of a data set are opened: those that are trained on, those that are held out, or all. */
export type DatasetPart = 'training' | 'held-out' | 'all';

/** What describes an open data set to another thread: structured-cloneable, pixels shared and not copied. */
export type DatasetSource = WholeSource | SubsetSource<WholeSource>;

/** A data set that is no part of another one. */
export type WholeSource = IdxSource | ImageFolderSource | WebDatasetSource;
