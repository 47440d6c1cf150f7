import { type RandomStream, randomStream } from '@maestro/random';
import type { FlatLayout, ParameterSpec } from '@maestro/tensors';
import { patchLength } from '@maestro/vit';
import type { MaeConfig } from './config.ts';

const TOKEN_STD = 0.02;

/**
 * Draws the initial parameters, as the reference implementation distributes them: Xavier-uniform for every linear weight (qkv on the
 * fused [3D, D], the patch embedding on [D, C * p * p]), N(0, 0.02) for the class and mask tokens, ones and zeros for the norms,
 * U(+-1 / sqrt(C * p * p)) for the patch embedding's bias, and zero for all other biases.
 *
 * Counter-based: tensor i of the list that the layout was made from draws from the stream {seed, purpose 'init', index i}, so any tensor
 * can be drawn by itself, and what is trainable changes no initial value.
 * @param out receives the parameters; its padding is set to zero. A fresh vector of `layout.length` when left out.
 */
export function initParameters(
  config: MaeConfig,
  layout: FlatLayout,
  seed: number,
  out: Float32Array = new Float32Array(layout.length),
): Float32Array {
  out.fill(0);
  for (const tensor of layout.tensors) {
    initTensor({ config, tensor, index: tensor.index, seed }, out.subarray(tensor.offset, tensor.offset + tensor.size));
  }
  return out;
}

/** Draws one tensor, the `index`-th of the model, into `out` (as long as the tensor). See {@link initParameters}. */
export function initTensor(
  {
    config,
    tensor,
    index,
    seed,
  }: {
    readonly config: MaeConfig;
    readonly tensor: ParameterSpec;
    readonly index: number;
    readonly seed: number;
  },
  out: Float32Array,
): void {
  drawTensor(config, tensor, randomStream({ seed, purpose: 'init', index }), out);
}

/** Draws a tensor from its own stream into `out` (as long as the tensor). See {@link initParameters}. */
export function drawTensor(config: MaeConfig, { name, shape }: ParameterSpec, stream: RandomStream, out: Float32Array): void {
  if (name === 'cls_token' || name === 'mask_token') {
    for (let i = 0; i < out.length; i++) out[i] = TOKEN_STD * stream.normal();
  } else if (name === 'patch_embed.proj.bias') {
    stream.fillUniform(out, 1 / Math.sqrt(patchLength(config)));
  } else if (shape.length > 1) {
    const outputs = shape[0]!;
    const inputs = out.length / outputs;
    stream.fillUniform(out, Math.sqrt(6 / (inputs + outputs))); // Glorot & Bengio 2010, equation 16
  } else {
    out.fill(name.endsWith('.weight') ? 1 : 0);
  }
}
