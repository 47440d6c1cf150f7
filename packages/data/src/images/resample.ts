import { openPixelArena, PIXEL_SLACK_BYTES, type PixelArena } from '@maestro/kernels';
import type { CropBox } from './cropBox.ts';
import { cacheTaps } from './taps.ts';

const { ceil, max, min, trunc } = Math;

/** Size of the band of rows held in the kernels' memory: an image of 100 megapixels needs no second copy, and caches hold a band. */
const BAND_BYTES = 2 ** 18;
/** Resizes boxes of 8-bit images. */
export interface Resampler {
  /**
   * Resizes the `box` of `pixels` ([height, rowWidth, channels], channels 1 or 3) to [size.height, size.width, channels]; the result is
   * overwritten by the next call.
   */
  resample(pixels: Uint8Array, rowWidth: number, channels: number, box: CropBox, size: ImageSize): Uint8Array;
}

/** Width and height in pixels. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/**
 * Creates a bicubic resampler (Catmull-Rom, a = -0.5) with antialiasing, horizontal then vertical: bit for bit the result of
 * `crop(box).resize(size, BICUBIC)` of Pillow up to version 12, in integers only. Its memory does not grow with the image, except for one
 * output-width row per row of the box.
 */
export function createResampler(): Resampler {
  const tapsFor = cacheTaps();
  let arena: PixelArena | undefined;
  return {
    resample: (pixels, rowWidth, channels, { left, top, width, height }, size) => {
      const [across, down] = [tapsFor(width, size.width), tapsFor(height, size.height)];
      const [inBytes, outBytes] = [rowWidth * channels, size.width * channels];
      const bandRows = min(height, max(1, trunc(BAND_BYTES / inBytes)));
      // One extra row: when an entry of taps has an odd number, its last weight is zero.
      const lengths = [across.words.byteLength, down.words.byteLength, size.height * outBytes, (height + 1) * outBytes, bandRows * inBytes];
      const places = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, length) => sum + room(length), 0));
      const neededBytes = places[4]! + room(lengths[4]!);
      if (arena === undefined || arena.bytes.length < neededBytes) arena = openPixelArena(1.25 * neededBytes);
      const { bytes, words, kernels } = arena;
      const [acrossAt, downAt, out, narrowed, band] = places as [number, number, number, number, number];
      words.set(across.words, acrossAt / 4);
      words.set(down.words, downAt / 4);
      for (let row = 0; row < height; row += bandRows) {
        const rows = min(bandRows, height - row);
        bytes.set(pixels.subarray((top + row) * inBytes, (top + row + rows) * inBytes), band);
        const to = narrowed + row * outBytes;
        kernels.weighPixels(to, band + left * channels, rows, inBytes, channels, acrossAt, across.entryBytes, size.width);
      }
      kernels.weighRows(out, narrowed, outBytes, downAt, down.entryBytes, size.height);
      return bytes.subarray(out, out + size.height * outBytes);
    },
  };
}

/** Returns the bytes of a range, including the slack that kernels read beyond it. */
const room = (length: number): number => ceil((length + PIXEL_SLACK_BYTES) / 16) * 16;
