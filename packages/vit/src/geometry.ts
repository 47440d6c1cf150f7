/** How images are cut into patches: squares of `patchSize` pixels, in row-major order. */
export interface PatchGeometry {
  /** Side of the square images, in pixels; a multiple of `patchSize`. */
  readonly imageSize: number;
  readonly channels: number;
  /** Side of a patch, in pixels. */
  readonly patchSize: number;
}

/** The encoder of a vision transformer (Dosovitskiy et al. 2020). */
export interface VitConfig extends PatchGeometry {
  /** D, the width of its tokens; a multiple of `numHeads` and of 4. */
  readonly embedDim: number;
  /** Number of blocks. */
  readonly depth: number;
  readonly numHeads: number;
  /** Hidden width of every MLP over the width of its block. */
  readonly mlpRatio: number;
}

/** Patches along one side of the image. */
export function gridSize({ imageSize, patchSize }: Pick<PatchGeometry, 'imageSize' | 'patchSize'>): number {
  return imageSize / patchSize;
}

/** L, the number of patches of an image. */
export function patchCount(config: Pick<PatchGeometry, 'imageSize' | 'patchSize'>): number {
  return gridSize(config) ** 2;
}

/** P, the number of values in a patch. */
export function patchLength({ patchSize, channels }: Pick<PatchGeometry, 'patchSize' | 'channels'>): number {
  return patchSize * patchSize * channels;
}
