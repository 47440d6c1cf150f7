import { gridSize, sinCosPositions } from '@maestro/vit';
import type { MaeConfig } from './config.ts';

/** `decoder_pos_embed` of the checkpoints: float32 [1 + L, decoderEmbedDim]. */
export function decoderPositions(config: MaeConfig): Float32Array {
  return sinCosPositions({
    gridSize: gridSize(config),
    width: config.decoderEmbedDim,
  });
}
