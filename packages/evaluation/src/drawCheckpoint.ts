import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readJobSpec } from '@maestro/checkpoint';
import { heldOutImages } from './heldOut.ts';
import { loadParameters, openModel } from './openModel.ts';
import { reconstructionPicture } from './picture.ts';
import { reconstruct } from './reconstruct.ts';

/** Result of drawing a checkpoint's reconstructions of held-out images. */
export interface DrawnCheckpoint {
  readonly step: number;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly checkpointHash: string;
  readonly images: number;
  /** True when the job is not trained on them; absent in pictures of older versions. */
  readonly areHeldOut?: boolean;
  /** Squared error per hidden value on the 0..1 scale of pixels, and the same for a baseline that fills in the visible mean. */
  readonly maskedError: number;
  readonly meanFillError: number;
}

/** Limits the images of a picture. */
const MOST_IMAGES = 8;

/**
 * Draws a checkpoint's reconstructions of its job's held-out images, always with the same masks: `NAME.png`, and then `NAME.json` with the
 * errors, in `folder`. Once the second exists, both are whole.
 *
 * @throws MaestroError of whatever cannot be read or written: a checkpoint that was removed meanwhile, a data set that is not on this
 * machine.
 */
export async function drawCheckpoint({
  checkpoint,
  folder,
  name,
}: {
  readonly checkpoint: string;
  readonly folder: string;
  readonly name: (step: number) => string;
}): Promise<DrawnCheckpoint> {
  const spec = await readJobSpec(checkpoint);
  const model = await openModel(spec, { isInitialised: false });
  try {
    const { config, evaluator, normalisation } = model;
    const { step, checkpointHash } = await loadParameters(model, checkpoint);
    const { images, areHeldOut } = await heldOutImages({ spec, config, normalisation, count: MOST_IMAGES, folder });
    const result = await reconstruct({ evaluator, config, images, statistics: normalisation, seed: spec.seed });
    const drawn = {
      step,
      createdAt: new Date().toISOString(),
      checkpointHash,
      images: result.count,
      areHeldOut,
      maskedError: result.maskedMse,
      meanFillError: result.meanFillMse,
    };
    await put(join(folder, `${name(step)}.png`), await reconstructionPicture(result, { config, normalisation, rows: MOST_IMAGES }));
    await put(join(folder, `${name(step)}.json`), `${JSON.stringify(drawn)}\n`);
    return drawn;
  } finally {
    await model.evaluator.close();
  }
}

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(`${path}.new`, content);
  await rename(`${path}.new`, path);
}
