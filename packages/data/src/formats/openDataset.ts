import { assertInternal, MaestroError } from '@maestro/protocol';
import type { Dataset, OpenDatasetOptions } from './dataset.ts';
import type { DatasetPart, DatasetSource } from './datasetSource.ts';
import { chooseHeldOut, partIndices, subsetDataset } from './holdOut.ts';
import { idxDataset, readIdx } from './idx.ts';
import { imageFolderDataset, scanImageFolder } from './imageFolder.ts';
import { readWebDataset, webDataset } from './webdataset.ts';

/** Location and format of a data set (the `data` section of a job file). */
export type DatasetSpec =
  | {
      readonly format: 'idx';
      readonly path: string;
      readonly split?: 'train' | 'test';
    }
  | ({ readonly format: 'image-folder'; readonly path: string } & HoldOutSpec)
  | ({ readonly format: 'webdataset'; readonly path: string } & HoldOutSpec);

/** Splits a data set without a test split of its own. */
interface HoldOutSpec {
  /** Share of the samples to hold out: see {@link chooseHeldOut}. Default 0. */
  readonly holdOut?: number | undefined;
  /** Part to open. Default: the training samples. */
  readonly part?: DatasetPart | undefined;
}

/**
 * Opens the data set that `spec` names: lists it, checks its form and takes its fingerprint; when samples are held out, opens the requested
 * part. Each part has a fingerprint of its own.
 *
 * @throws MaestroError `not-found` when the path does not exist, `data-invalid` when it holds no such data set, `cancelled`.
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
 * Returns the training samples of a job with this `holdOut`, and the held-out ones, which are empty when nothing can be held out.
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

/** Reopens the data set that `source` describes, without reading or checking anything again. */
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
