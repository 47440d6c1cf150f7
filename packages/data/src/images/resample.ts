import { openPixelArena, PIXEL_SLACK_BYTES, type PixelArena } from '@maestro/kernels';
import type { CropBox } from './cropBox.ts';

const { abs, ceil, max, min, trunc } = Math;

/** Fixed-point bits of a weight, chosen so that 8-bit sums with overshoot fit in 32 bits (Pillow, Resample.c). */
const PRECISION_BITS = 22;
const SUPPORT = 2;
/** Size of the band of rows held in the kernels' memory: an image of 100 megapixels needs no second copy, and caches hold a band. */
const BAND_BYTES = 2 ** 18;
/** Limits the memory of cached weights. */
const MOST_TAP_BYTES = 16 * 2 ** 20;

/** Weights in the layout of the kernels: see `PixelKernels`. */
interface Taps {
  readonly words: Int32Array;
  /** Bytes of each output pixel's entry. */
  readonly entryBytes: number;
}

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
  const tapsByLengths = new Map<number, Taps>();
  let tapBytes = 0;
  let arena: PixelArena | undefined;

  const tapsFor = (length: number, size: number): Taps => {
    const key = length * 2 ** 26 + size;
    let taps = tapsByLengths.get(key);
    if (taps === undefined) {
      taps = makeTaps(length, size);
      if (tapBytes + taps.words.byteLength > MOST_TAP_BYTES) {
        tapsByLengths.clear();
        tapBytes = 0;
      }
      tapsByLengths.set(key, taps);
      tapBytes += taps.words.byteLength;
    }
    return taps;
  };

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

function makeTaps(length: number, size: number): Taps {
  const scale = length / size;
  const filterScale = max(scale, 1);
  const support = SUPPORT * filterScale;
  const most = ceil(support) * 2 + 1;
  const entryWords = 2 + 2 * ceil(most / 2);
  const words = new Int32Array(size * entryWords);
  const exact = new Float64Array(most);
  for (let x = 0; x < size; x++) {
    const centre = (x + 0.5) * scale;
    const from = max(0, trunc(centre - support + 0.5));
    const taps = min(length, trunc(centre + support + 0.5)) - from;
    let total = 0;
    for (let tap = 0; tap < taps; tap++) {
      exact[tap] = catmullRom((tap + from - centre + 0.5) / filterScale);
      total += exact[tap]!;
    }
    const entry = x * entryWords;
    words[entry] = from;
    words[entry + 1] = ceil(taps / 2);
    for (let tap = 0; tap < taps; tap++) {
      const share = exact[tap]! / total;
      const weight = trunc((share < 0 ? -0.5 : 0.5) + share * 2 ** PRECISION_BITS);
      const pair = entry + 2 + (tap & ~1);
      const shift = (tap & 1) * 16;
      words[pair]! |= ((weight >> 12) & 0xffff) << shift;
      words[pair + 1]! |= (weight & 0xfff) << shift;
    }
  }
  return { words, entryBytes: 4 * entryWords };
}

/** Keys' cubic with a = -0.5 ("Cubic convolution interpolation", 1981). */
function catmullRom(offset: number): number {
  const a = -0.5;
  const x = abs(offset);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}
