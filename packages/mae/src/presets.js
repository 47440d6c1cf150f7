const PAPER_DECODER = {
  decoderEmbedDim: 512,
  decoderDepth: 8,
  decoderNumHeads: 16,
};
/**
 * Named sizes: the three of the paper (He et al. 2021, arXiv 2111.06377, table 8 and section 4), for 224 x 224 RGB images, and
 * `mae_vit_tiny_patch4` for 32 x 32 grey images, small enough to learn on two CPU cores in minutes.
 */
export const PRESETS = {
  mae_vit_base_patch16: {
    imageSize: 224,
    channels: 3,
    patchSize: 16,
    embedDim: 768,
    depth: 12,
    numHeads: 12,
    ...PAPER_DECODER,
  },
  mae_vit_large_patch16: {
    imageSize: 224,
    channels: 3,
    patchSize: 16,
    embedDim: 1024,
    depth: 24,
    numHeads: 16,
    ...PAPER_DECODER,
  },
  mae_vit_huge_patch14: {
    imageSize: 224,
    channels: 3,
    patchSize: 14,
    embedDim: 1280,
    depth: 32,
    numHeads: 16,
    ...PAPER_DECODER,
  },
  mae_vit_tiny_patch4: {
    imageSize: 32,
    channels: 1,
    patchSize: 4,
    embedDim: 192,
    depth: 4,
    numHeads: 3,
    decoderEmbedDim: 96,
    decoderDepth: 2,
    decoderNumHeads: 3,
  },
};
//# sourceMappingURL=presets.js.map
