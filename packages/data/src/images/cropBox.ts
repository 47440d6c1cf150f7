import type { RandomStream } from '@maestro/random';

const { exp, floor, log, max, min, sqrt } = Math;
const TRIES = 10;

/** A rectangle of an image, in whole pixels. */
export interface CropBox {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The range of boxes that a random crop draws from. */
export interface CropRange {
  /** Minimum and maximum share of the image's area, 0 < minimum <= maximum <= 1. */
  readonly scale: readonly [number, number];
  /** Minimum and maximum of width / height. */
  readonly ratio: readonly [number, number];
}

/**
 * Draws a random crop like torchvision's `RandomResizedCrop.get_params` (v0.20, transforms.py): area uniform, aspect ratio log-uniform, ten
 * tries, then the largest central crop within the ratios.
 */
export function randomCropBox(width: number, height: number, { scale, ratio }: CropRange, random: RandomStream): CropBox {
  const logLeast = log(ratio[0]);
  const logMost = log(ratio[1]);
  for (let tried = 0; tried < TRIES; tried++) {
    const area = width * height * (scale[0] + (scale[1] - scale[0]) * random.uniform());
    const aspect = exp(logLeast + (logMost - logLeast) * random.uniform());
    const w = roundHalfEven(sqrt(area * aspect));
    const h = roundHalfEven(sqrt(area / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      const top = floor(random.uniform() * (height - h + 1));
      const left = floor(random.uniform() * (width - w + 1));
      return { left, top, width: w, height: h };
    }
  }
  const aspect = width / height;
  const w = aspect > ratio[1] ? max(1, roundHalfEven(height * ratio[1])) : width;
  const h = aspect < ratio[0] ? max(1, roundHalfEven(width / ratio[0])) : height;
  return centred(width, height, w, h);
}

/**
 * Returns the central square that remains when the shorter side is resized to `size / fraction` and the central `size` x `size` is cut out.
 */
export function centralCropBox(width: number, height: number, fraction: number): CropBox {
  const side = max(1, roundHalfEven(min(width, height) * fraction));
  return centred(width, height, side, side);
}

const centred = (width: number, height: number, w: number, h: number): CropBox => ({
  left: floor((width - w) / 2),
  top: floor((height - h) / 2),
  width: w,
  height: h,
});

/** Rounds like Python: halves go to the even neighbour. */
function roundHalfEven(value: number): number {
  const below = floor(value);
  const rest = value - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}
