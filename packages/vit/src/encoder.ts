import { add, concat, expand, type Graph, reshape, type Tensor, transpose } from '@maestro/graph';
import { block } from './block.ts';
import { gridSize, patchCount, patchLength, type VitConfig } from './geometry.ts';
import { BATCH, type Parameters } from './inputs.ts';
import { linearOf, normLayer } from './layers.ts';
import { encoderPositions } from './positions.ts';

/** images [N, C, H, W] -> [N, L, P], channel fastest. */
export function patchifyImages(images: Tensor, config: VitConfig): Tensor {
  const { channels, patchSize } = config;
  const grid = gridSize(config);
  const cut = reshape(images, [BATCH, channels, grid, patchSize, grid, patchSize]);
  return reshape(transpose(cut, [0, 2, 4, 3, 5, 1]), [BATCH, patchCount(config), patchLength(config)]);
}

/** The encoder's position of each patch as a constant [L, D], to be made once per graph. */
export function patchPositions(graph: Graph, config: VitConfig): Tensor {
  const { embedDim } = config;
  return graph.constant('patch_positions', 'float32', [patchCount(config), embedDim], encoderPositions(config).subarray(embedDim));
}

/**
 * Encodes the patches it is given; the graph never sees the others.
 * @param patches [N, K, P]. @param positions where they stand: [N, K, D], or [K, D] when that is the same in all images.
 * @returns [N * (1 + K), D], the class token of each image first.
 */
export function encode(patches: Tensor, positions: Tensor, parameters: Parameters, config: VitConfig): Tensor {
  const { embedDim, depth, numHeads } = config;
  const weight = patchEmbedding(parameters, config);
  const embedded = linearOf(patches, weight, parameters('patch_embed.proj.bias'));
  // The class token's position is zero, so nothing is added to it.
  const sequence = concat([expand(parameters('cls_token'), [BATCH, 1, embedDim]), add(embedded, positions)], 1);
  const tokens = sequence.dims[1] as number;
  let x = reshape(sequence, [-1, embedDim]);
  for (let i = 0; i < depth; i++) x = block(x, parameters, { name: `blocks.${i}`, tokens, heads: numHeads });
  return normLayer(x, parameters, 'norm');
}

/** The patch embedding as a matrix [D, P] for patches with the channel fastest; checkpoints have [D, C, p, p]. */
function patchEmbedding(parameters: Parameters, config: VitConfig): Tensor {
  return reshape(transpose(parameters('patch_embed.proj.weight'), [0, 2, 3, 1]), [config.embedDim, patchLength(config)]);
}
