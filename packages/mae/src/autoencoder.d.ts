import { type Tensor } from '@maestro/graph';
import { type Parameters } from '@maestro/vit';
import { type MaeConfig } from './config.ts';
/** What {@link decode} needs besides the tokens. */
export interface DecodeOptions {
  /** int64 [N, L] */
  readonly idsShuffle: Tensor;
  /** Which patches to predict; training needs only those that were removed. */
  readonly predict: 'all' | 'removed';
}
/**
 * Predicts patches, in shuffled order throughout: the tokens of the kept patches, then mask tokens, each with the
 * position of its patch, so that nothing is put back in order and no gather is differentiated.
 * @param latent [N * (1 + K), D].
 * @returns [N * L, P], or [N * (L - K), P] for the removed ones alone; they follow idsShuffle.
 */
export declare function decode(latent: Tensor, { idsShuffle, predict }: DecodeOptions, parameters: Parameters, config: MaeConfig): Tensor;
/** Which patches are kept and which removed: int64 [N, K] and [N, L - K], in shuffled order. */
export declare function splitIds(
  idsShuffle: Tensor,
  config: MaeConfig,
): {
  readonly kept: Tensor;
  readonly removed: Tensor;
};
//# sourceMappingURL=autoencoder.d.ts.map
