import { stat, writeFile } from 'node:fs/promises';
import { readJobSpec } from '@maestro/checkpoint';
import { type Dataset, loadImages, openDataset } from '@maestro/data';
import { loadCheckpoint, openHeldOut, openModel, reconstruct, reconstructionPicture, requireDecoded, spread } from '@maestro/evaluation';
import { type DataSpec, errorMessage, isLoaded, MaestroError, recipeOf } from '@maestro/protocol';
import { isUrl, resolveLocation } from '@maestro/storage';

/** Options of {@link drawReconstruction}. */
export interface DrawOptions {
  /** A checkpoint: a folder, or `s3://...`. */
  readonly dir: string;
  /** A folder of images. Default: the images of the job's own data that it is not trained on. */
  readonly data: string | undefined;
  /** The PNG to write. */
  readonly picture: string;
  /** Number of images. */
  readonly count: number;
}

/** Result of a drawing; the errors are mean squared errors on masked patches, the second that of filling in the visible mean. */
export interface DrawnReconstruction {
  readonly checkpoint: string;
  readonly step: number;
  readonly checkpointHash: string;
  readonly images: number;
  /** True when they are held-out images of the job's own data; false when it trained on them, absent when another folder was given. */
  readonly areHeldOut?: boolean;
  readonly maskedMse: number;
  readonly meanFillMse: number;
  readonly picture: string;
}

/** Draws a checkpoint's reconstructions of masked images. @throws MaestroError of whatever cannot be read. */
export async function drawReconstruction({ dir, data, picture, count }: DrawOptions): Promise<DrawnReconstruction> {
  const spec = await readJobSpec(dir);
  if (!isLoaded(spec) || recipeOf(spec).hasPictures !== true) {
    const problem = `reconstruct: ${dir} is of recipe ${spec.recipe}, which has no pictures: reconstructions are of masked autoencoders`;
    throw new MaestroError('invalid-argument', problem);
  }
  const model = await openModel(spec);
  try {
    const { step, checkpointHash } = await loadCheckpoint(model, dir);
    const { dataset, ...found } = await imagesOf(spec.data, data);
    const { config, evaluator, normalisation } = model;
    const { imageSize } = config;
    const channels = config.channels as 1 | 3;
    const loaded = await loadImages(dataset, spread(dataset.length, count), { imageSize, channels, normalisation });
    requireDecoded(loaded, found.areHeldOut === true ? 'held-out image' : 'image');
    const result = await reconstruct({ evaluator, config, images: loaded.images, statistics: normalisation, seed: 0 });
    await writeFile(picture, await reconstructionPicture(result, { config, normalisation, rows: count }));
    const { maskedMse, meanFillMse } = result;
    return { checkpoint: dir, step, checkpointHash, images: result.count, ...found, maskedMse, meanFillMse, picture };
  } finally {
    await model.evaluator.close();
  }
}

/** Opens the data to draw from: a given folder, read like the job's own data, or what the job holds out. */
async function imagesOf(
  trained: DataSpec,
  folder: string | undefined,
): Promise<{ readonly dataset: Dataset; readonly areHeldOut?: boolean }> {
  const path = folder === undefined ? trained.path : resolveLocation(folder);
  if (!isUrl(path)) {
    await stat(path).catch((error: unknown) => {
      throw new MaestroError('not-found', `reconstruct: ${path}: ${errorMessage(error)}; name a folder of images with --data`, {
        cause: error,
      });
    });
  }
  if (folder === undefined) return openHeldOut(trained);
  if (isUrl(path)) return { dataset: await openDataset({ format: 'webdataset', path }) };
  const { format } = trained;
  return { dataset: await openDataset(format === 'idx' ? { format, path, split: 'test' } : { format, path }) };
}
