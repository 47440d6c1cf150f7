import { gridSize, sinCosPositions } from '@maestro/vit';
/** `decoder_pos_embed` of the checkpoints: float32 [1 + L, decoderEmbedDim]. */
export function decoderPositions(config) {
  return sinCosPositions({
    gridSize: gridSize(config),
    width: config.decoderEmbedDim,
  });
}
//# sourceMappingURL=decoderPositions.js.map
