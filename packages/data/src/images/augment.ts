import { MaestroError } from '@maestro/protocol';
import { randomStream } from '@maestro/random';
import { type CropBox, type CropRange, randomCropBox } from './cropBox.ts';
import { defaultNormalisation, type Normalisation } from './normalisation.ts';

/** Augmentation and normalisation of training images. */
export interface AugmentConfig extends CropRange, Normalisation {
  /** True to mirror images left to right, each with probability 1/2 in each epoch. */
  readonly flip: boolean;
}

/**
 * Returns the MAE pre-training augmentation (He et al. 2021, appendix A.1): crops of 20-100 % of the area, flips, and the default
 * normalisation for `channels`, with `overrides` applied.
 *
 * @throws MaestroError `invalid-argument` naming the option that is out of its range.
 */
export function augmentConfig(channels: 1 | 3, overrides: Partial<AugmentConfig> = {}): AugmentConfig {
  const config = {
    scale: [0.2, 1],
    ratio: [3 / 4, 4 / 3],
    flip: true,
    ...defaultNormalisation(channels),
    ...overrides,
  } as const;
  const { scale, ratio, mean, std } = config;
  const check = (isRight: boolean, name: string, value: unknown, allowed: string) => {
    if (!isRight) throw new MaestroError('invalid-argument', `augment.${name}: found ${JSON.stringify(value)}, allowed is ${allowed}`);
  };
  check(scale[0] > 0 && scale[0] <= scale[1] && scale[1] <= 1, 'scale', scale, '[least, most] with 0 < least <= most <= 1');
  check(ratio[0] > 0 && ratio[0] <= ratio[1] && ratio[1] < Infinity, 'ratio', ratio, '[least, most] with 0 < least <= most');
  check(mean.length === channels && mean.every(Number.isFinite), 'mean', mean, `${channels} number(s), one per channel`);
  check(std.length === channels && std.every((value) => value > 0 && value < Infinity), 'std', std, `${channels} positive number(s)`);
  return config;
}

/** Draws the crop of sample `index` in `epoch`: the same on every machine, independent of earlier draws. */
export function drawCrop(
  { seed, epoch, index }: { readonly seed: number; readonly epoch: number; readonly index: number },
  { width, height }: { readonly width: number; readonly height: number },
  range: CropRange,
): CropBox {
  return randomCropBox(width, height, range, randomStream({ seed, purpose: 'crop', epoch, index }));
}

/** Returns true when sample `index` is mirrored in `epoch`: with probability 1/2. */
export function drawFlip(address: { readonly seed: number; readonly epoch: number; readonly index: number }): boolean {
  return randomStream({ ...address, purpose: 'flip' }).uniform() < 0.5;
}
