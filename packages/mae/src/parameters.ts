import { type ParameterSpec, parameterSpec } from '@maestro/tensors';
import { type MaeConfig, patchLength } from './config.ts';

/**
 * The parameters in the order the data meets them, all of them trainable: the encoder first, so that it is a prefix of every flat vector.
 * The position tables are constants and are not among them. The order is part of a job's identity (initialisation draws by index).
 */
export function parameterSpecs(config: MaeConfig): ParameterSpec[] {
  const { embedDim, depth, decoderEmbedDim, decoderDepth, channels, patchSize, mlpRatio } = config;
  return [
    parameterSpec('cls_token', [1, 1, embedDim]),
    parameterSpec('patch_embed.proj.weight', [embedDim, channels, patchSize, patchSize]),
    parameterSpec('patch_embed.proj.bias', [embedDim]),
    ...range(depth).flatMap((i) => blockSpecs(`blocks.${i}`, embedDim, mlpRatio)),
    ...normSpecs('norm', embedDim),
    ...linearSpecs('decoder_embed', embedDim, decoderEmbedDim),
    parameterSpec('mask_token', [1, 1, decoderEmbedDim]),
    ...range(decoderDepth).flatMap((i) => blockSpecs(`decoder_blocks.${i}`, decoderEmbedDim, mlpRatio)),
    ...normSpecs('decoder_norm', decoderEmbedDim),
    ...linearSpecs('decoder_pred', decoderEmbedDim, patchLength(config)),
  ];
}

/** Whether a parameter belongs to the encoder, which is what is kept after pre-training. */
export function isEncoderParameter({ name }: Pick<ParameterSpec, 'name'>): boolean {
  return !name.startsWith('decoder_') && name !== 'mask_token';
}

function blockSpecs(name: string, width: number, mlpRatio: number): ParameterSpec[] {
  const hidden = width * mlpRatio;
  return [
    ...normSpecs(`${name}.norm1`, width),
    ...linearSpecs(`${name}.attn.qkv`, width, 3 * width),
    ...linearSpecs(`${name}.attn.proj`, width, width),
    ...normSpecs(`${name}.norm2`, width),
    ...linearSpecs(`${name}.mlp.fc1`, width, hidden),
    ...linearSpecs(`${name}.mlp.fc2`, hidden, width),
  ];
}

function normSpecs(name: string, width: number): ParameterSpec[] {
  return [parameterSpec(`${name}.weight`, [width]), parameterSpec(`${name}.bias`, [width])];
}

function linearSpecs(name: string, inputs: number, outputs: number): ParameterSpec[] {
  return [parameterSpec(`${name}.weight`, [outputs, inputs]), parameterSpec(`${name}.bias`, [outputs])];
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
