import type { CropBox } from './cropBox.ts';

const { abs, ceil, max, min, trunc } = Math;

/** Fixed-point digits of a weight, so that 8-bit sums with overshoot stay inside 32 bits (Pillow, Resample.c). */
const PRECISION_BITS = 22;
const HALF = 2 ** (PRECISION_BITS - 1);
const SUPPORT = 2;

/** For each output pixel: the first input pixel it draws on, how many, and their fixed-point weights. */
interface Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
  readonly stride: number;
}

/** Resizes boxes of 8-bit images to `size` x `size`. */
export interface Resampler {
  /** Writes the resized `box` of `pixels` ([height, rowWidth, channels]) to `out` ([size, size, channels]). */
  resample(pixels: Uint8Array, rowWidth: number, channels: number, box: CropBox, out: Uint8Array): void;
}

/**
 * Bicubic resizing (Catmull-Rom, a = -0.5) with antialiasing, bit for bit what Pillow's `crop(box).resize((size, size), BICUBIC)` gives,
 * in integers only. For small images in memory, where a call of sharp costs fifty times the arithmetic. Scratch memory is kept and reused;
 * weights are kept per box length, so use one resampler for images of one size.
 */
export function createResampler(size: number): Resampler {
  const tapsByLength = new Map<number, Taps>();
  let scratch = new Uint8Array(0);

  const tapsFor = (length: number): Taps => {
    let taps = tapsByLength.get(length);
    if (taps === undefined) {
      taps = makeTaps(length, size);
      tapsByLength.set(length, taps);
    }
    return taps;
  };

  return {
    resample: (pixels, rowWidth, channels, box, out) => {
      const across = tapsFor(box.width);
      const down = tapsFor(box.height);
      const rowLength = size * channels;
      if (scratch.length < box.height * rowLength) scratch = new Uint8Array(box.height * rowLength);
      for (let y = 0; y < box.height; y++) {
        const row = ((box.top + y) * rowWidth + box.left) * channels;
        for (let c = 0; c < channels; c++) weighRow(pixels, row + c, channels, across, scratch, y * rowLength + c, channels, size);
      }
      for (let column = 0; column < rowLength; column++) weighRow(scratch, column, rowLength, down, out, column, rowLength, size);
    },
  };
}

/** One line of pixels, `step` bytes apart in `from`, weighed into `size` pixels `outStep` bytes apart in `to`. */
function weighRow(
  from: Uint8Array,
  start: number,
  step: number,
  { first, count, weights, stride }: Taps,
  to: Uint8Array,
  outStart: number,
  outStep: number,
  size: number,
): void {
  for (let x = 0; x < size; x++) {
    const taps = count[x]!;
    let weight = x * stride;
    let at = start + first[x]! * step;
    let sum = HALF;
    for (let tap = 0; tap < taps; tap++) {
      sum += from[at]! * weights[weight]!;
      weight++;
      at += step;
    }
    to[outStart + x * outStep] = max(0, min(255, sum >> PRECISION_BITS));
  }
}

function makeTaps(length: number, size: number): Taps {
  const scale = length / size;
  const filterScale = max(scale, 1);
  const support = SUPPORT * filterScale;
  const stride = ceil(support) * 2 + 1;
  const first = new Int32Array(size);
  const count = new Int32Array(size);
  const weights = new Int32Array(size * stride);
  const exact = new Float64Array(stride);
  for (let x = 0; x < size; x++) {
    const centre = (x + 0.5) * scale;
    const from = max(0, trunc(centre - support + 0.5));
    const taps = min(length, trunc(centre + support + 0.5)) - from;
    let total = 0;
    for (let tap = 0; tap < taps; tap++) {
      exact[tap] = catmullRom((tap + from - centre + 0.5) / filterScale);
      total += exact[tap]!;
    }
    first[x] = from;
    count[x] = taps;
    for (let tap = 0; tap < taps; tap++) {
      const weight = exact[tap]! / total;
      weights[x * stride + tap] = trunc((weight < 0 ? -0.5 : 0.5) + weight * 2 ** PRECISION_BITS);
    }
  }
  return { first, count, weights, stride };
}

/** Keys' cubic with a = -0.5 ("Cubic convolution interpolation", 1981). */
function catmullRom(offset: number): number {
  const a = -0.5;
  const x = abs(offset);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}
