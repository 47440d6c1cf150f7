import { IMAGENET_STATISTICS, type PixelStatistics } from '@maestro/mae';

/** Per-channel mean and standard deviation of pixel values in 0..1; what a pixel becomes is (value / 255 - mean) / std. */
export type Normalisation = PixelStatistics;

/** ImageNet's statistics for colour (the MAE paper's recipe, torchvision's constants); the middle of the range for grey. */
export function defaultNormalisation(channels: 1 | 3): Normalisation {
  return channels === 3 ? IMAGENET_STATISTICS : { mean: [0.5], std: [0.5] };
}

/** What each of the 256 pixel values becomes, [channels, 256]. */
export function normalisationTable({ mean, std }: Normalisation): Float32Array {
  const table = new Float32Array(mean.length * 256);
  for (let i = 0; i < table.length; i++) {
    const channel = i >> 8;
    table[i] = ((i & 255) / 255 - mean[channel]!) / std[channel]!;
  }
  return table;
}

/**
 * Writes `pixels` ([size, size, from 1 or 3 channels]) as normalised planes ([C, size, size], C = table.length / 256) to `out` at `offset`,
 * mirrored when `flip` is set. One channel is repeated where C is 3.
 */
export function writePlanes(
  pixels: Uint8Array,
  {
    size,
    table,
    flip,
    out,
    offset,
  }: {
    size: number;
    table: Float32Array;
    flip: boolean;
    out: Float32Array;
    offset: number;
  },
): void {
  const planeSize = size * size;
  const channels = table.length >> 8;
  const step = pixels.length / planeSize;
  const outStep = flip ? -1 : 1;
  for (let c = 0; c < channels; c++) {
    const entry = c << 8;
    let from = step === 1 ? 0 : c;
    for (let y = 0; y < size; y++) {
      let to = offset + c * planeSize + y * size + (flip ? size - 1 : 0);
      for (let x = 0; x < size; x++) {
        out[to] = table[entry + pixels[from]!]!;
        from += step;
        to += outStep;
      }
    }
  }
}
