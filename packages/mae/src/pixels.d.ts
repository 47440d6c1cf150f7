/** Added to a patch's variance before the square root when targets are normalised (reference implementation). */
export declare const TARGET_EPS = 0.000001;
/** Mean and standard deviation of each channel on the 0..1 scale. */
export interface PixelStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}
/** The statistics of ImageNet's training images (RGB) that the paper's recipes normalise with. */
export declare const IMAGENET_STATISTICS: PixelStatistics;
/**
 * Normalises each patch by its own mean and unbiased variance (n - 1) over all its values: the target of `normPixLoss`.
 * @param patches [any, P] in one array. @returns the same shape, in `out` (which may be `patches` itself).
 */
export declare function normalisePatches(patches: Float32Array, length: number, out?: Float32Array): Float32Array;
/**
 * Undoes {@link normalisePatches} on predictions, with the mean and deviation of the true patches, so that a model trained with
 * `normPixLoss` can be looked at.
 * @param prediction [any, P]. @param patches the true patches, same shape. @returns the same shape, in `out`.
 */
export declare function denormalisePatches(
  {
    prediction,
    patches,
    length,
  }: {
    readonly prediction: Float32Array;
    readonly patches: Float32Array;
    readonly length: number;
  },
  out?: Float32Array,
): Float32Array;
//# sourceMappingURL=pixels.d.ts.map
