import { add, concat, expand, gather, linear, reshape, slice, type Tensor, transpose } from '@maestro/graph';
import { block } from './block.ts';
import { gridSize, keptPatches, type MaeConfig, patchCount, patchLength } from './config.ts';
import { linearLayer, normLayer, weightGradientOf } from './layers.ts';
import { BATCH, type Parameters } from './modelInputs.ts';
import { decoderPositions, encoderPositions } from './positions.ts';

/** images [N, C, H, W] -> [N, L, P], channel fastest. */
export function patchifyImages(images: Tensor, config: MaeConfig): Tensor {
  const { channels, patchSize } = config;
  const grid = gridSize(config);
  const cut = reshape(images, [BATCH, channels, grid, patchSize, grid, patchSize]);
  return reshape(transpose(cut, [0, 2, 4, 3, 5, 1]), [BATCH, patchCount(config), patchLength(config)]);
}

/**
 * Encodes the patches it is given, which stand in the places `ids`; the graph never sees the others.
 * @param patches [N, K, P]. @param ids int64 [N, K], or all patches in their order when left out.
 * @returns [N, 1 + K, D], class token first.
 */
export function encode(patches: Tensor, ids: Tensor | undefined, parameters: Parameters, config: MaeConfig): Tensor {
  const { embedDim, depth, numHeads } = config;
  const { graph } = patches;
  return graph.scope('encoder', () => {
    const embedded = linear(patches, patchEmbedding(parameters, config), parameters('patch_embed.proj.bias'), weightGradientOf(patches));
    const table = graph.constant('patch_positions', 'float32', [patchCount(config), embedDim], encoderPositions(config).subarray(embedDim));
    const placed = add(embedded, ids === undefined ? table : gather(table, ids));
    // The class token's position is zero, so nothing is added to it.
    let x = concat([expand(parameters('cls_token'), [BATCH, 1, embedDim]), placed], 1);
    for (let i = 0; i < depth; i++) x = block(x, parameters, { name: `blocks.${i}`, heads: numHeads });
    return normLayer(x, parameters, 'norm');
  });
}

/**
 * Predicts the removed patches, in shuffled order throughout: the tokens of the kept patches, then mask tokens, each with the
 * position of its patch, so that nothing is put back in order and no gather is differentiated.
 * @param latent [N, 1 + K, D]. @param idsShuffle int64 [N, L].
 * @returns [N, L - K, P]; patch j of an image is patch idsShuffle[K + j].
 */
export function decode(latent: Tensor, idsShuffle: Tensor, parameters: Parameters, config: MaeConfig): Tensor {
  const { decoderEmbedDim: width, decoderDepth, decoderNumHeads } = config;
  const { graph } = latent;
  const kept = keptPatches(config);
  const patches = patchCount(config);
  return graph.scope('decoder', () => {
    const visible = linearLayer(latent, parameters, 'decoder_embed');
    const masked = expand(parameters('mask_token'), [BATCH, patches - kept, width]);
    const table = graph.constant('decoder_positions', 'float32', [patches + 1, width], decoderPositions(config));
    const classId = expand(graph.literal('int64', [0], [1, 1]), [BATCH, 1]);
    const positions = gather(table, concat([classId, add(idsShuffle, 1)], 1)); // [N, 1 + L, d]
    let x = add(concat([visible, masked], 1), positions);
    for (let i = 0; i < decoderDepth; i++) {
      // After its attention, the last block is needed on the removed patches alone.
      const from = i === decoderDepth - 1 ? 1 + kept : 0;
      x = block(x, parameters, { name: `decoder_blocks.${i}`, heads: decoderNumHeads, from });
    }
    return linearLayer(normLayer(x, parameters, 'decoder_norm'), parameters, 'decoder_pred');
  });
}

/** Which patches are kept and which removed: int64 [N, K] and [N, L - K], in shuffled order. */
export function splitIds(idsShuffle: Tensor, config: MaeConfig): { readonly kept: Tensor; readonly removed: Tensor } {
  const at = keptPatches(config);
  return { kept: slice(idsShuffle, { axis: 1, end: at }), removed: slice(idsShuffle, { axis: 1, start: at }) };
}

/** The patch embedding as a matrix [D, P] for patches with the channel fastest; checkpoints have [D, C, p, p]. */
function patchEmbedding(parameters: Parameters, config: MaeConfig): Tensor {
  return reshape(transpose(parameters('patch_embed.proj.weight'), [0, 2, 3, 1]), [config.embedDim, patchLength(config)]);
}
