import { add, concat, expand, type Graph, gather, linear, reshape, slice, type Tensor, transpose } from '@maestro/graph';
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

/** The encoder's position of each patch as a constant [L, D], to be made once per graph. */
export function patchPositions(graph: Graph, config: MaeConfig): Tensor {
  const { embedDim } = config;
  return graph.constant('patch_positions', 'float32', [patchCount(config), embedDim], encoderPositions(config).subarray(embedDim));
}

/**
 * Encodes the patches it is given; the graph never sees the others.
 * @param patches [N, K, P]. @param positions where they stand: [N, K, D], or [K, D] when that is the same in all images.
 * @returns [N * (1 + K), D], the class token of each image first.
 */
export function encode(patches: Tensor, positions: Tensor, parameters: Parameters, config: MaeConfig): Tensor {
  const { embedDim, depth, numHeads } = config;
  const weight = patchEmbedding(parameters, config);
  const embedded = linear(patches, weight, parameters('patch_embed.proj.bias'), weightGradientOf(patches));
  // The class token's position is zero, so nothing is added to it.
  const sequence = concat([expand(parameters('cls_token'), [BATCH, 1, embedDim]), add(embedded, positions)], 1);
  const tokens = sequence.dims[1] as number;
  let x = reshape(sequence, [-1, embedDim]);
  for (let i = 0; i < depth; i++) x = block(x, parameters, { name: `blocks.${i}`, tokens, heads: numHeads });
  return normLayer(x, parameters, 'norm');
}

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
export function decode(latent: Tensor, { idsShuffle, predict }: DecodeOptions, parameters: Parameters, config: MaeConfig): Tensor {
  const { decoderEmbedDim: width, decoderDepth, decoderNumHeads } = config;
  const { graph } = latent;
  const kept = keptPatches(config);
  const patches = patchCount(config);
  const firstPredicted = predict === 'all' ? 1 : 1 + kept;
  return graph.scope('decoder', () => {
    const visible = reshape(linearLayer(latent, parameters, 'decoder_embed'), [BATCH, 1 + kept, width]);
    const masked = expand(parameters('mask_token'), [BATCH, patches - kept, width]);
    const table = graph.constant('decoder_positions', 'float32', [patches + 1, width], decoderPositions(config));
    const classId = expand(graph.literal('int64', [0], [1, 1]), [BATCH, 1]);
    const positions = gather(table, concat([classId, add(idsShuffle, 1)], 1)); // [N, 1 + L, d]
    let x = reshape(add(concat([visible, masked], 1), positions), [-1, width]);
    for (let i = 0; i < decoderDepth; i++) {
      // After its attention, the last block is needed on the predicted patches alone.
      const from = i === decoderDepth - 1 ? firstPredicted : 0;
      x = block(x, parameters, { name: `decoder_blocks.${i}`, tokens: 1 + patches, heads: decoderNumHeads, from });
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
