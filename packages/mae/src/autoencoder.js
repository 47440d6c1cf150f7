import { add, concat, expand, gather, reshape, slice } from '@maestro/graph';
import { BATCH, block, linearLayer, normLayer, patchCount } from '@maestro/vit';
import { keptPatches } from './config.js';
import { decoderPositions } from './decoderPositions.js';
/**
 * Predicts patches, in shuffled order throughout: the tokens of the kept patches, then mask tokens, each with the
 * position of its patch, so that nothing is put back in order and no gather is differentiated.
 * @param latent [N * (1 + K), D].
 * @returns [N * L, P], or [N * (L - K), P] for the removed ones alone; they follow idsShuffle.
 */
export function decode(latent, { idsShuffle, predict }, parameters, config) {
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
export function splitIds(idsShuffle, config) {
  const at = keptPatches(config);
  return { kept: slice(idsShuffle, { axis: 1, end: at }), removed: slice(idsShuffle, { axis: 1, start: at }) };
}
//# sourceMappingURL=autoencoder.js.map
