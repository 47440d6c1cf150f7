import { type RandomStream } from '@maestro/random';
import type { FlatLayout, ParameterSpec } from '@maestro/tensors';
import { type MaeConfig } from './config.ts';
/**
 * Draws the initial parameters, as the reference implementation distributes them: Xavier-uniform for every linear weight (qkv on the
 * fused [3D, D], the patch embedding on [D, C * p * p]), N(0, 0.02) for the class and mask tokens, ones and zeros for the norms,
 * U(+-1 / sqrt(C * p * p)) for the patch embedding's bias, and zero for all other biases.
 *
 * Counter-based: tensor i of the list that the layout was made from draws from the stream {seed, purpose 'init', index i}, so any tensor can
 * be drawn by itself, and what is trainable changes no initial value.
 * @param out receives the parameters; its padding is set to zero. A fresh vector of `layout.length` when left out.
 */
export declare function initParameters(config: MaeConfig, layout: FlatLayout, seed: number, out?: Float32Array): Float32Array;
/** Draws one tensor, the `index`-th of the model, into `out` (as long as the tensor). See {@link initParameters}. */
export declare function initTensor(
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
): void;
/** Draws a tensor from its own stream into `out` (as long as the tensor). See {@link initParameters}. */
export declare function drawTensor(config: MaeConfig, { name, shape }: ParameterSpec, stream: RandomStream, out: Float32Array): void;
//# sourceMappingURL=initialise.d.ts.map
