import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { loadImages, type Normalisation, openDataset } from '@maestro/data';
import type { MaeConfig } from '@maestro/mae';
import { isMaestroError, type JobSpec } from '@maestro/protocol';
import { permutation } from '@maestro/random';

/** What held-out images depend on. */
export interface HeldOutOptions {
  readonly spec: JobSpec;
  readonly config: MaeConfig;
  readonly normalisation: Normalisation;
  /** Images, at most. */
  readonly count: number;
  /** Where they are kept from the first call on, so that a large data set is listed once. */
  readonly file: string;
}

/**
 * The images by which a job's checkpoints are compared, [count, C, H, W], normalised: always the same ones, drawn by the job's seed from the
 * test split of an IDX set that has one, else from the data set itself. Broken ones are left out.
 */
export async function heldOutImages({ spec, config, normalisation, count, file }: HeldOutOptions): Promise<Float32Array> {
  const kept = await readFile(file).catch(() => undefined);
  const { imageSize } = config;
  const channels = config.channels as 1 | 3;
  const imageBytes = Float32Array.BYTES_PER_ELEMENT * channels * imageSize ** 2;
  if (kept !== undefined && kept.length > 0 && kept.length % imageBytes === 0) return new Float32Array(new Uint8Array(kept).buffer);
  const dataset = await openHeldOut(spec.data);
  const order = permutation({ seed: spec.seed, epoch: 0, length: dataset.length });
  const indices = Array.from({ length: Math.min(count, dataset.length) }, (_, position) => order(position));
  const { images } = await loadImages(dataset, indices, { imageSize, channels, normalisation });
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.new`, images);
  await rename(`${file}.new`, file);
  return images;
}

async function openHeldOut(data: JobSpec['data']) {
  if (data.format !== 'idx') return openDataset(data);
  try {
    return await openDataset({ ...data, split: 'test' });
  } catch (error) {
    if (!isMaestroError(error, 'not-found') && !isMaestroError(error, 'data-invalid')) throw error;
    return openDataset(data);
  }
}
