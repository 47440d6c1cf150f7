import { assertInternal, MaestroError } from '@maestro/protocol';
import type { BoundedFolderOptions } from '../blocks/boundedFolder.ts';
import { chooseHeldOut, type DatasetPart, partIndices, type SubsetSource, subsetDataset } from './holdOut.ts';
import { type IdxSource, idxDataset, readIdx } from './idx.ts';
import { type ImageFolderSource, imageFolderDataset, scanImageFolder } from './imageFolder.ts';
import { readWebDataset, type WebDatasetSource, webDataset } from './webdataset.ts';

/** Where a data set lies and how to read it (the `data` part of a job file). */
export type DatasetSpec =
  | {
      readonly format: 'idx';
      readonly path: string;
      readonly split?: 'train' | 'test';
    }
  | ({ readonly format: 'image-folder'; readonly path: string } & HoldOutSpec)
  | ({ readonly format: 'webdataset'; readonly path: string } & HoldOutSpec);

/** How a data set without a test split of its own is divided. */
interface HoldOutSpec {
  /** Share of the samples that is held out: see {@link chooseHeldOut}. Default 0. */
  readonly holdOut?: number | undefined;
  /** Which samples are opened. Default: those that are trained on. */
  readonly part?: DatasetPart | undefined;
}

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

/** What describes an open data set to another thread: structured-cloneable, pixels shared and not copied. */
export type DatasetSource = WholeSource | SubsetSource<WholeSource>;

type WholeSource = IdxSource | ImageFolderSource | WebDatasetSource;

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

/**
 * Opens the data set that `spec` names: lists it, checks its form and takes its fingerprint; of one that holds samples out, the part that
 * is asked for. A part is told from all others by its fingerprint.
 *
 * @throws MaestroError `not-found` when the path does not exist, `data-invalid` when what is there is no such data set, `cancelled`.
 */
export async function openDataset(spec: DatasetSpec, { signal, cache, patienceMs }: OpenDatasetOptions = {}): Promise<Dataset> {
  const options = signal === undefined ? {} : { signal };
  switch (spec.format) {
    case 'idx':
      return idxDataset(await readIdx(spec, options));
    case 'image-folder':
      return partOf(imageFolderDataset(await scanImageFolder(spec, options)), spec, options);
    case 'webdataset':
      return partOf(webDataset(await readWebDataset(spec, { ...options, cache, patienceMs })), spec, options);
  }
}

/**
 * What a job with this `holdOut` trains on, and what it holds out, which is empty where nothing can be.
 *
 * @throws MaestroError `data-invalid` when a sample cannot be read, `cancelled`.
 */
export async function datasetParts(
  whole: Dataset,
  holdOut: number,
  options: { readonly signal?: AbortSignal } = {},
): Promise<{ readonly training: Dataset; readonly heldOut: Dataset }> {
  const { source } = whole;
  assertInternal(source.format !== 'subset', 'datasetParts: a whole data set');
  const chosen = await chooseHeldOut(whole, holdOut, options);
  const part = (name: DatasetPart): Dataset => subsetDataset(whole, { of: source, part: name, indices: partIndices(whole, chosen, name) });
  return { training: part('training'), heldOut: part('held-out') };
}

async function partOf(
  whole: Dataset,
  { holdOut = 0, part = 'training' }: HoldOutSpec,
  options: { readonly signal?: AbortSignal },
): Promise<Dataset> {
  const { source } = whole;
  if (holdOut === 0 || part === 'all' || source.format === 'subset') return whole;
  const { training, heldOut } = await datasetParts(whole, holdOut, options);
  if (part === 'held-out' && heldOut.length === 0) {
    const why = 'it is too small, or nearly all of its images are the same';
    throw new MaestroError('data-invalid', `data set: none of its ${whole.length} samples can be held out: ${why}`);
  }
  return part === 'training' ? training : heldOut;
}

/** The data set that `source` describes, without reading or checking anything again. */
export function reopenDataset(source: DatasetSource): Dataset {
  switch (source.format) {
    case 'idx':
      return idxDataset(source);
    case 'image-folder':
      return imageFolderDataset(source);
    case 'webdataset':
      return webDataset(source);
    case 'subset':
      return subsetDataset(reopenDataset(source.of), source);
  }
}
