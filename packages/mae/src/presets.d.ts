/** What a preset fixes: the sizes of the images and of the two transformers. Rates and losses are the job's to choose. */
export interface MaePreset {
  readonly imageSize: number;
  readonly channels: number;
  readonly patchSize: number;
  readonly embedDim: number;
  readonly depth: number;
  readonly numHeads: number;
  readonly decoderEmbedDim: number;
  readonly decoderDepth: number;
  readonly decoderNumHeads: number;
}
/**
 * Named sizes: the three of the paper (He et al. 2021, arXiv 2111.06377, table 8 and section 4), for 224 x 224 RGB images, and
 * `mae_vit_tiny_patch4` for 32 x 32 grey images, small enough to learn on two CPU cores in minutes.
 */
export declare const PRESETS: {
  readonly mae_vit_base_patch16: {
    readonly decoderEmbedDim: 512;
    readonly decoderDepth: 8;
    readonly decoderNumHeads: 16;
    readonly imageSize: 224;
    readonly channels: 3;
    readonly patchSize: 16;
    readonly embedDim: 768;
    readonly depth: 12;
    readonly numHeads: 12;
  };
  readonly mae_vit_large_patch16: {
    readonly decoderEmbedDim: 512;
    readonly decoderDepth: 8;
    readonly decoderNumHeads: 16;
    readonly imageSize: 224;
    readonly channels: 3;
    readonly patchSize: 16;
    readonly embedDim: 1024;
    readonly depth: 24;
    readonly numHeads: 16;
  };
  readonly mae_vit_huge_patch14: {
    readonly decoderEmbedDim: 512;
    readonly decoderDepth: 8;
    readonly decoderNumHeads: 16;
    readonly imageSize: 224;
    readonly channels: 3;
    readonly patchSize: 14;
    readonly embedDim: 1280;
    readonly depth: 32;
    readonly numHeads: 16;
  };
  readonly mae_vit_tiny_patch4: {
    readonly imageSize: 32;
    readonly channels: 1;
    readonly patchSize: 4;
    readonly embedDim: 192;
    readonly depth: 4;
    readonly numHeads: 3;
    readonly decoderEmbedDim: 96;
    readonly decoderDepth: 2;
    readonly decoderNumHeads: 3;
  };
};
//# sourceMappingURL=presets.d.ts.map
