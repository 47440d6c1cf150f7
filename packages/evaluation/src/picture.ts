import { type Normalisation, renderGrid } from '@maestro/data';
import type { MaeConfig } from '@maestro/mae';
import type { Reconstruction } from './reconstruct.ts';

/**
 * Draws the first `rows` images of a reconstruction as a PNG: original, masked, reconstruction, reconstruction with the visible patches.
 */
export async function reconstructionPicture(
  reconstruction: Reconstruction,
  { config, normalisation, rows }: { readonly config: MaeConfig; readonly normalisation: Normalisation; readonly rows: number },
): Promise<Uint8Array> {
  const { imageSize, channels } = config;
  const length = channels * imageSize ** 2;
  const { original, masked, prediction, pasted, count } = reconstruction;
  const tile = (images: Float32Array, row: number): Float32Array => images.subarray(row * length, (row + 1) * length);
  return renderGrid({
    rows: Array.from({ length: Math.min(rows, count) }, (_, row) =>
      [original, masked, prediction, pasted].map((images) => tile(images, row)),
    ),
    size: imageSize,
    channels: channels as 1 | 3,
    normalisation,
    scale: Math.max(1, Math.round(128 / imageSize)),
    header: ['ORIGINAL', 'MASKED', 'PREDICTION', 'PASTED'],
  });
}
