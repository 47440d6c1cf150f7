const { abs, ceil, max, min, trunc } = Math;

/** Fixed-point bits of a weight, chosen so that 8-bit sums with overshoot fit in 32 bits (Pillow, Resample.c). */
const PRECISION_BITS = 22;
const SUPPORT = 2;
/** Limits the memory of cached weights. */
const MOST_TAP_BYTES = 16 * 2 ** 20;

/** Weights of a resize in one direction, in the layout of the kernels: see `PixelKernels`. */
export interface Taps {
  readonly words: Int32Array;
  /** Bytes of each output pixel's entry. */
  readonly entryBytes: number;
}

/** Returns a function that makes the weights from `length` to `size` pixels, and keeps them while they take little memory. */
export function cacheTaps(): (length: number, size: number) => Taps {
  const tapsByLengths = new Map<number, Taps>();
  let tapBytes = 0;
  return (length, size) => {
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
}

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
