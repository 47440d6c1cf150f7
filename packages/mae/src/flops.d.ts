import { type MaeConfig } from './config.ts';
/** Multiply-adds of one forward pass over one image. */
export interface ForwardFlops {
  readonly encoder: number;
  readonly decoder: number;
  readonly total: number;
}
/**
 * Counts the multiply-adds of the matrix products in one forward pass of one image (norms, softmax and GELU are under 1 %).
 * A training step costs about three times as much. All patches are counted as embedded, as in the reference implementation and the
 * paper's figures; our graph embeds the visible ones only, about 1 % less. `encodesMaskTokens` gives the ablation of the paper's table 2,
 * in which the encoder sees all patches.
 */
export declare function forwardFlops(
  config: MaeConfig,
  {
    encodesMaskTokens,
  }?: {
    readonly encodesMaskTokens?: boolean;
  },
): ForwardFlops;
//# sourceMappingURL=flops.d.ts.map
