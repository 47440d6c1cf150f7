import { flattenRows, foldedGelu, layerNorm, linear, reshape, type Tensor } from '@maestro/graph';
import type { Parameters } from './inputs.ts';
import { nativeLinear, nativeNorm } from './native/nativeLayers.ts';

/**
 * A Gemm that reads its left operand transposed makes that transposition anew for every 128 columns of the result (MLAS), so wider
 * layers take their weight gradient from a copy transposed once: 7 % of ViT-B's step, 3 % of the tiny preset's, the same bits
 * (onnxruntime 1.29, one thread).
 */
const COLUMN_BLOCK = 128;

/** The linear layer `name` on the last axis of x. */
export function linearLayer(x: Tensor, parameters: Parameters, name: string): Tensor {
  return linearOf(x, parameters(`${name}.weight`), parameters(`${name}.bias`));
}

/** A linear layer on the last axis of x from its weight [out, in] and bias [out], with the operators that the graph asks for. */
export function linearOf(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const { precision } = x.graph;
  return precision === 'standard' ? linear(x, weight, bias, weightGradientOf(x)) : nativeLinear(precision, x, weight, bias);
}

/** The layer norm `name` over the last axis of x, with the reference implementation's epsilon of 1e-6. */
export function normLayer(x: Tensor, parameters: Parameters, name: string): Tensor {
  const [gain, bias] = [parameters(`${name}.weight`), parameters(`${name}.bias`)];
  return x.graph.precision === 'standard' ? layerNorm(x, gain, bias, { epsilon: 1e-6 }) : nativeNorm(x, gain, bias);
}

/** The two layers `name`.fc1 and `name`.fc2 with a GELU between, whose scales are folded into them, on the last axis of x. */
export function mlpLayer(x: Tensor, parameters: Parameters, name: string): Tensor {
  const p = (leaf: string) => parameters(`${name}.${leaf}`);
  const scale = Math.SQRT1_2;
  const xs = linear(flattenRows(x), p('fc1.weight'), p('fc1.bias'), { alpha: scale, beta: scale, ...weightGradientOf(x) });
  const hidden = foldedGelu(xs);
  return reshape(linear(hidden, p('fc2.weight'), p('fc2.bias'), { alpha: scale, ...weightGradientOf(hidden) }), x.dims);
}

/** Which of linear's ways to make the weight gradient of a layer on x. */
export function weightGradientOf(x: Tensor): { readonly weightGradient: 'transA' | 'transposed' } {
  return { weightGradient: (x.dims.at(-1) as number) > COLUMN_BLOCK ? 'transposed' : 'transA' };
}
