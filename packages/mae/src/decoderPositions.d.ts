import { type MaeConfig } from './config.ts';
/** `decoder_pos_embed` of the checkpoints: float32 [1 + L, decoderEmbedDim]. */
export declare function decoderPositions(config: MaeConfig): Float32Array;
//# sourceMappingURL=decoderPositions.d.ts.map
