import { stat, writeFile } from 'node:fs/promises';
import { readJobSpec } from '@maestro/checkpoint';
import { loadImages, openDataset } from '@maestro/data';
import { loadCheckpoint, openModel, reconstruct, reconstructionPicture, spread } from '@maestro/evaluation';
import { type DataSpec, errorMessage, MaestroError } from '@maestro/protocol';
import { isUrl, resolveLocation } from '@maestro/storage';

/** What to draw. */
export interface DrawOptions {
  /** A checkpoint: a folder, or `s3://...`. */
  readonly dir: string;
  /** A folder of images. Default: the job's own data, of IDX sets the test split. */
  readonly data: string | undefined;
  /** The PNG to write. */
  readonly picture: string;
  /** Images. */
  readonly count: number;
}

/** What was drawn; the errors are mean squared ones on masked patches, the second that of filling in the visible mean. */
export interface DrawnReconstruction {
  readonly checkpoint: string;
  readonly step: number;
  readonly checkpointHash: string;
  readonly images: number;
  readonly maskedMse: number;
  readonly meanFillMse: number;
  readonly picture: string;
}

/** Draws what a checkpoint makes of masked images. @throws MaestroError of whatever cannot be read. */
export async function drawReconstruction({ dir, data, picture, count }: DrawOptions): Promise<DrawnReconstruction> {
  const spec = await readJobSpec(dir);
  const model = await openModel(spec);
  try {
    const { step, checkpointHash } = await loadCheckpoint(model, dir);
    const dataset = await openDataset(await heldOut(spec.data, data));
    const { config, evaluator, normalisation } = model;
    const { imageSize } = config;
    const channels = config.channels as 1 | 3;
    const { images } = await loadImages(dataset, spread(dataset.length, count), { imageSize, channels, normalisation });
    const result = await reconstruct({ evaluator, config, images, statistics: normalisation, seed: 0 });
    await writeFile(picture, await reconstructionPicture(result, { config, normalisation, rows: count }));
    const { maskedMse, meanFillMse } = result;
    return { checkpoint: dir, step, checkpointHash, images: result.count, maskedMse, meanFillMse, picture };
  } finally {
    await model.evaluator.close();
  }
}

/** The data to draw from: a folder that was named, read as the job reads its own, else the job's; of an IDX set the test split. */
async function heldOut(trained: DataSpec, folder: string | undefined): Promise<DataSpec> {
  const path = folder === undefined ? trained.path : resolveLocation(folder);
  if (isUrl(path)) return { format: 'webdataset', path };
  await stat(path).catch((error: unknown) => {
    throw new MaestroError('not-found', `reconstruct: ${path}: ${errorMessage(error)}; name a folder of images with --data`, {
      cause: error,
    });
  });
  return trained.format === 'idx' ? { format: 'idx', path, split: 'test' } : { format: trained.format, path };
}
