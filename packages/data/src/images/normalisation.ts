import { openPixelArena, PIXEL_SLACK_BYTES } from '@maestro/kernels';
import { IMAGENET_STATISTICS, type PixelStatistics } from '@maestro/mae';
import { type NativeImages, openNativeImages } from '@maestro/native';
import { assertInternal } from '@maestro/protocol';

/** Per-channel mean and standard deviation of pixel values in 0..1; a pixel becomes (value / 255 - mean) / std. */
export type Normalisation = PixelStatistics;

/** Returns ImageNet's statistics for colour (the MAE paper's recipe, torchvision's constants); the middle of the range for grey. */
export function defaultNormalisation(channels: 1 | 3): Normalisation {
  return channels === 3 ? IMAGENET_STATISTICS : { mean: [0.5], std: [0.5] };
}

/**
 * Writes `pixels` ([size, size, 1 or C]) as normalised planes ([C, size, size]) to `out` at `offset`, mirrored when `isFlipped`. A single
 * channel is repeated C times.
 */
export type PlaneWriter = (
  pixels: Uint8Array,
  to: { readonly out: Float32Array; readonly offset: number; readonly isFlipped: boolean },
) => void;

/**
 * Creates a writer of planes of `size` x `size`, one per channel of `normalisation`. The 256 possible values are looked up in a table.
 *
 * @param images does the same faster; by default what this machine has; null for the portable path.
 */
export function createPlaneWriter(
  size: number,
  normalisation: Normalisation,
  images: NativeImages | null | undefined = openNativeImages(),
): PlaneWriter {
  const table = normalisationTable(normalisation);
  const channels = normalisation.mean.length;
  const planeLength = size * size;
  const stepOf = (pixels: Uint8Array): number => {
    const step = pixels.length / planeLength;
    assertInternal(step === 1 || step === channels, `${pixels.length} bytes for ${channels} planes of ${size} x ${size}`);
    return step;
  };
  if (images)
    return (pixels, { out, offset, isFlipped }) =>
      images.lookUpPlanes(pixels, stepOf(pixels), size, table, isFlipped, out.subarray(offset, offset + channels * planeLength));
  const planesAt = table.byteLength;
  const pixelsAt = planesAt + 4 * channels * planeLength;
  const { bytes, floats, kernels } = openPixelArena(pixelsAt + channels * planeLength + PIXEL_SLACK_BYTES);
  floats.set(table);
  const planes = floats.subarray(planesAt / 4, planesAt / 4 + channels * planeLength);
  return (pixels, { out, offset, isFlipped }) => {
    const step = stepOf(pixels);
    bytes.set(pixels, pixelsAt);
    const [first, turn] = isFlipped ? [4 * (size - 1), -4] : [0, 4];
    for (let c = 0; c < channels; c++)
      kernels.lookUpPlane(planesAt + 4 * c * planeLength + first, pixelsAt + (step === 1 ? 0 : c), 1024 * c, size, step, turn);
    out.set(planes, offset);
  };
}

/** Tabulates the normalised value of each of the 256 pixel values, [channels, 256]. */
function normalisationTable({ mean, std }: Normalisation): Float32Array {
  const table = new Float32Array(mean.length * 256);
  for (let i = 0; i < table.length; i++) {
    const channel = i >> 8;
    table[i] = ((i & 255) / 255 - mean[channel]!) / std[channel]!;
  }
  return table;
}
