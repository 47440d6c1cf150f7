import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Dataset, loadImages, type Normalisation, openDataset } from '@maestro/data';
import type { MaeConfig } from '@maestro/mae';
import { isMaestroError, type JobSpec } from '@maestro/protocol';
import { permutation } from '@maestro/random';
import { requireDecoded } from './requireDecoded.ts';

/** Options of {@link heldOutImages}. */
export interface HeldOutOptions {
  readonly spec: Pick<JobSpec, 'data' | 'seed'>;
  readonly config: MaeConfig;
  readonly normalisation: Normalisation;
  /** Maximum number of images. */
  readonly count: number;
  /** Folder in which they are cached from the first call on, so that a large data set is listed once. */
  readonly folder: string;
}

/** Images on which checkpoints are compared. */
export interface HeldOutImages {
  /** [count, C, H, W], normalised. */
  readonly images: Float32Array;
  /** False when the data set has none that the job is not trained on. */
  readonly areHeldOut: boolean;
}

/** Cache files, by whether the images are held out. */
const FILES = [
  { name: 'held-out.f32', areHeldOut: true },
  { name: 'trained-on.f32', areHeldOut: false },
] as const;

/**
 * Returns the images on which a job's checkpoints are compared: always the same ones, drawn by the job's seed from those that it is not
 * trained on ({@link openHeldOut}). Broken ones are left out.
 */
export async function heldOutImages({ spec, config, normalisation, count, folder }: HeldOutOptions): Promise<HeldOutImages> {
  const { imageSize } = config;
  const channels = config.channels as 1 | 3;
  const imageBytes = Float32Array.BYTES_PER_ELEMENT * channels * imageSize ** 2;
  for (const { name, areHeldOut } of FILES) {
    const kept = await readFile(join(folder, name)).catch(() => undefined);
    if (kept === undefined || kept.length === 0 || kept.length % imageBytes !== 0) continue;
    return { images: new Float32Array(new Uint8Array(kept).buffer), areHeldOut };
  }
  const { dataset, areHeldOut } = await openHeldOut(spec.data);
  const order = permutation({ seed: spec.seed, epoch: 0, length: dataset.length });
  const indices = Array.from({ length: Math.min(count, dataset.length) }, (_, position) => order(position));
  const loaded = await loadImages(dataset, indices, { imageSize, channels, normalisation });
  requireDecoded(loaded, areHeldOut ? 'held-out image' : 'image');
  const { images } = loaded;
  const file = join(folder, FILES[areHeldOut ? 0 : 1].name);
  await mkdir(folder, { recursive: true });
  await writeFile(`${file}.new`, images);
  await rename(`${file}.new`, file);
  return { images, areHeldOut };
}

/**
 * Opens the images of a job's data set that it is not trained on: the test split of an IDX set that has one, or the held-out part of an
 * image folder or packed set. When there are none, the whole data set.
 */
export async function openHeldOut(data: JobSpec['data']): Promise<{ readonly dataset: Dataset; readonly areHeldOut: boolean }> {
  if (data.format !== 'idx') {
    if (data.holdOut === 0) return { dataset: await openDataset(data), areHeldOut: false };
    const dataset = await openDataset({ ...data, part: 'held-out' }).catch((error: unknown) => {
      if (isMaestroError(error, 'not-found')) throw error;
      return undefined; // A set of one image, or of copies of one, holds none out.
    });
    return dataset === undefined ? { dataset: await openDataset(data), areHeldOut: false } : { dataset, areHeldOut: true };
  }
  if (data.split === 'test') return { dataset: await openDataset(data), areHeldOut: false };
  try {
    return { dataset: await openDataset({ ...data, split: 'test' }), areHeldOut: true };
  } catch (error) {
    if (!isMaestroError(error, 'not-found') && !isMaestroError(error, 'data-invalid')) throw error;
    return { dataset: await openDataset(data), areHeldOut: false };
  }
}
