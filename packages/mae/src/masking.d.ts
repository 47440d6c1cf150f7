/** Names the masking noise of one sample in one epoch. */
export interface MaskAddress {
  readonly seed: number;
  readonly epoch: number;
  /** The sample's index in the data set. */
  readonly index: number;
}
/** Fills `noise` with one uniform number per patch, a pure function of the address: no restart or worker can change a mask. */
export declare function drawMaskNoise({ seed, epoch, index }: MaskAddress, noise: Float32Array): void;
/**
 * Orders the patches by ascending noise, equal noise by patch: the first `keptPatches` of the order are kept, the rest are removed.
 *
 * @param noise one number per patch, float32 [L]; not NaN.
 * @param out int64 [L], receives idsShuffle: out[j] is the patch at place j of the shuffled order.
 * @param keys scratch of L float64 elements; pass one to allocate nothing.
 * @throws MaestroError `invalid-argument` when `out` or `keys` is not as long as `noise`.
 */
export declare function drawIdsShuffle(
  {
    noise,
    keys,
  }: {
    readonly noise: Float32Array;
    readonly keys?: Float64Array;
  },
  out: BigInt64Array,
): void;
/** The inverse of an order: `out[idsShuffle[j]] = j`, which puts shuffled patches back in their places. */
export declare function idsRestore(idsShuffle: BigInt64Array, out?: BigInt64Array): BigInt64Array;
//# sourceMappingURL=masking.d.ts.map
