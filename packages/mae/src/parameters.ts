import { type MaeConfig, patchLength } from './config.ts';

/** One trainable tensor, by its name in the reference implementation's checkpoints. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** Whether AdamW's weight decay applies: not on biases and other 1-D tensors; the class and mask tokens do decay. */
  readonly decay: boolean;
}

/** A tensor's place in the flat vector; `offset` and `size` count float32 elements. */
export interface FlatTensor extends ParameterSpec {
  /** A multiple of {@link FLAT_ALIGNMENT}. */
  readonly offset: number;
  readonly size: number;
}

/** Where each tensor lies in the flat vectors of parameters, gradients and moments. Padding between tensors stays zero in all of them. */
export interface FlatLayout {
  readonly tensors: readonly FlatTensor[];
  /** Length of a flat vector in float32 elements, a multiple of {@link FLAT_ALIGNMENT}. */
  readonly length: number;
}

/** Tensors start at multiples of this many float32 elements: 64 bytes, a cache line and the widest SIMD register. */
export const FLAT_ALIGNMENT = 16;

/**
 * The trainable parameters in the order the data meets them: the encoder first, so that it is a prefix of every flat vector.
 * The position tables are constants and are not among them. The order is part of a job's identity (initialisation draws by index).
 */
export function parameterSpecs(config: MaeConfig): ParameterSpec[] {
  const { embedDim, depth, decoderEmbedDim, decoderDepth, channels, patchSize, mlpRatio } = config;
  return [
    spec('cls_token', [1, 1, embedDim]),
    spec('patch_embed.proj.weight', [embedDim, channels, patchSize, patchSize]),
    spec('patch_embed.proj.bias', [embedDim]),
    ...range(depth).flatMap((i) => blockSpecs(`blocks.${i}`, embedDim, mlpRatio)),
    ...normSpecs('norm', embedDim),
    ...linearSpecs('decoder_embed', embedDim, decoderEmbedDim),
    spec('mask_token', [1, 1, decoderEmbedDim]),
    ...range(decoderDepth).flatMap((i) => blockSpecs(`decoder_blocks.${i}`, decoderEmbedDim, mlpRatio)),
    ...normSpecs('decoder_norm', decoderEmbedDim),
    ...linearSpecs('decoder_pred', decoderEmbedDim, patchLength(config)),
  ];
}

/** Whether a parameter belongs to the encoder, which is what is kept after pre-training. */
export function isEncoderParameter({ name }: Pick<ParameterSpec, 'name'>): boolean {
  return !name.startsWith('decoder_') && name !== 'mask_token';
}

/** Lays tensors out one after the other, each aligned to {@link FLAT_ALIGNMENT}. */
export function flatLayout(specs: readonly ParameterSpec[]): FlatLayout {
  let length = 0;
  const tensors = specs.map((tensor) => {
    const size = tensor.shape.reduce((product, dim) => product * dim, 1);
    const placed = { ...tensor, offset: length, size };
    length = Math.ceil((length + size) / FLAT_ALIGNMENT) * FLAT_ALIGNMENT;
    return placed;
  });
  return { tensors, length };
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
  return [spec(`${name}.weight`, [width]), spec(`${name}.bias`, [width])];
}

function linearSpecs(name: string, inputs: number, outputs: number): ParameterSpec[] {
  return [spec(`${name}.weight`, [outputs, inputs]), spec(`${name}.bias`, [outputs])];
}

function spec(name: string, shape: readonly number[]): ParameterSpec {
  return { name, shape, decay: shape.length > 1 };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
