import { blockFlops, patchCount, patchLength } from '@maestro/vit';
import { keptPatches, type MaeConfig } from './config.ts';

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
export function forwardFlops(
  config: MaeConfig,
  { encodesMaskTokens = false }: { readonly encodesMaskTokens?: boolean } = {},
): ForwardFlops {
  const { embedDim, depth, decoderEmbedDim, decoderDepth, mlpRatio } = config;
  const patches = patchCount(config);
  const pixels = patchLength(config);
  const visible = encodesMaskTokens ? patches : keptPatches(config);
  const encoder = patches * pixels * embedDim + depth * blockFlops(visible + 1, embedDim, mlpRatio);
  const decoder =
    (visible + 1) * embedDim * decoderEmbedDim +
    decoderDepth * blockFlops(patches + 1, decoderEmbedDim, mlpRatio) +
    (patches + 1) * decoderEmbedDim * pixels;
  return { encoder, decoder, total: encoder + decoder };
}
