import { parameterSpec } from '@maestro/tensors';
import { blocksParameters, encoderParameters, linearParameters, normParameters, patchLength } from '@maestro/vit';
/**
 * The parameters in the order the data meets them, all of them trainable: the encoder first, so that it is a prefix of every flat vector.
 * The position tables are constants and are not among them. The order is part of a job's identity (initialisation draws by index).
 */
export function parameterSpecs(config) {
  const { embedDim, decoderEmbedDim: width, decoderDepth: depth, mlpRatio } = config;
  return [
    ...encoderParameters(config),
    ...linearParameters('decoder_embed', embedDim, width),
    parameterSpec('mask_token', [1, 1, width]),
    ...blocksParameters('decoder_blocks', { depth, width, mlpRatio }),
    ...normParameters('decoder_norm', width),
    ...linearParameters('decoder_pred', width, patchLength(config)),
  ];
}
/** Whether a parameter belongs to the encoder, which is what is kept after pre-training. */
export function isEncoderParameter({ name }) {
  return !name.startsWith('decoder_') && name !== 'mask_token';
}
//# sourceMappingURL=parameters.js.map
