import { openPixelArena, PIXEL_SLACK_BYTES, type PixelArena } from '@maestro/kernels';
import type { CropBox } from './cropBox.ts';

const { abs, ceil, max, min, trunc } = Math;

/** Fixed-point digits of a weight, so that 8-bit sums with overshoot stay inside 32 bits (Pillow, Resample.c). */
const PRECISION_BITS = 22;
const SUPPORT = 2;
/** Weights of all lengths that were met are kept up to so many bytes. */
const MOST_TAP_BYTES = 16 * 2 ** 20;

/** Weights in the form that the kernels take: see `PixelKernels`. */
interface Taps {
  readonly words: Int32Array;
  /** Bytes of each output pixel's entry. */
  readonly entryBytes: number;
}

/** Resizes boxes of 8-bit images to `size` x `size`. */
export interface Resampler {
  /**
   * The `box` of `pixels` ([height, rowWidth, channels]), resized: [size, size, channels], overwritten by the next call.
   */
  resample(pixels: Uint8Array, rowWidth: number, channels: number, box: CropBox): Uint8Array;
}

/**
 * Bicubic resizing (Catmull-Rom, a = -0.5) with antialiasing, first across and then down: bit for bit what `crop(box).resize((size, size), BICUBIC)`
 * of Pillow up to version 12 gives, in integers only. For pixels in memory: a call of sharp costs more than the arithmetic does here.
 */
export function createResampler(size: number): Resampler {
  const tapsByLength = new Map<number, Taps>();
  let tapBytes = 0;
  let arena: PixelArena | undefined;

  const tapsFor = (length: number): Taps => {
    let taps = tapsByLength.get(length);
    if (taps === undefined) {
      taps = makeTaps(length, size);
      if (tapBytes + taps.words.byteLength > MOST_TAP_BYTES) {
        tapsByLength.clear();
        tapBytes = 0;
      }
      tapsByLength.set(length, taps);
      tapBytes += taps.words.byteLength;
    }
    return taps;
  };

  return {
    resample: (pixels, rowWidth, channels, { left, top, width, height }) => {
      const [across, down] = [tapsFor(width), tapsFor(height)];
      const [inBytes, outBytes] = [rowWidth * channels, size * channels];
      // One row more than there are: where an entry of taps has an odd number, its last weight is zero.
      const lengths = [across.words.byteLength, down.words.byteLength, size * outBytes, (height + 1) * outBytes, height * inBytes];
      const places = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, length) => sum + room(length), 0));
      const neededBytes = places[4]! + room(lengths[4]!);
      if (arena === undefined || arena.bytes.length < neededBytes) arena = openPixelArena(1.25 * neededBytes);
      const { bytes, words, kernels } = arena;
      const [acrossAt, downAt, out, narrowed, image] = places as [number, number, number, number, number];
      words.set(across.words, acrossAt / 4);
      words.set(down.words, downAt / 4);
      bytes.set(pixels.subarray(top * inBytes, (top + height) * inBytes), image);
      kernels.weighPixels(narrowed, image + left * channels, height, inBytes, channels, acrossAt, across.entryBytes, size);
      kernels.weighRows(out, narrowed, outBytes, downAt, down.entryBytes, size);
      return bytes.subarray(out, out + size * outBytes);
    },
  };
}

/** The bytes that a range takes with what kernels reach beyond it. */
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
