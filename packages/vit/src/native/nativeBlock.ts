import { customVjp, dimProduct, type Tensor } from '@maestro/graph';
import type { Precision } from '@maestro/native/operators';
import { BATCH } from '../inputs.ts';
import { nativeNode } from './nativeNode.ts';

/** Parameters of a block by the end of their names, such as `attn.qkv.weight`. */
type Leaves = (leaf: string) => Tensor;

/** Sizes of {@link nativeAttention}. */
export interface NativeAttentionOptions {
  readonly tokens: number;
  readonly heads: number;
  /** The first token that asks. */
  readonly from: number;
}

/**
 * x + attention(norm1(x)) of a block, with a backward of its own: values between the operators may be bfloat16, what goes in and comes out
 * is float32.
 * @param x [N * tokens, width]. @param kept the rows of x from token `from` on, [N * (tokens - from), width]; x itself when that is 0.
 */
export function nativeAttention(
  precision: Precision,
  x: Tensor,
  kept: Tensor,
  leaves: Leaves,
  { tokens, heads, from }: NativeAttentionOptions,
): Tensor {
  const [gain, shift] = [leaves('norm1.weight'), leaves('norm1.bias')];
  const [qkvWeight, qkvBias] = [leaves('attn.qkv.weight'), leaves('attn.qkv.bias')];
  const [projWeight, projBias] = [leaves('attn.proj.weight'), leaves('attn.proj.bias')];
  const isWhole = from === 0;
  const attributes = { tokens, heads, from };
  const inputs = [x, gain, shift, qkvWeight, qkvBias, projWeight, projBias, ...(isWhole ? [] : [kept])];
  return customVjp('NativeAttention', inputs, () => {
    const [h, stats] = nativeNode('Norm', precision, [x, gain, shift], [x.dims, [x.dims[0]!, 2]]);
    const [qkv] = nativeNode('Linear', precision, [h!, qkvWeight, qkvBias], [[x.dims[0]!, qkvWeight.dims[0]!]]);
    const shapes = [kept.dims, [dimProduct(BATCH, heads * (tokens - from)), 2]];
    const [mixed, scoreStats] = nativeNode('Attend', precision, [qkv!], shapes, attributes);
    const [y] = nativeNode('LinearAdd', precision, [mixed!, projWeight, projBias, kept], [kept.dims]);
    return {
      output: y!,
      vjp: (dy) => {
        const weights = [projWeight.dims, projBias.dims];
        const [dMixed, ...dProj] = nativeNode('LinearOutGrad', precision, [dy, mixed!, projWeight], [mixed!.dims, ...weights]);
        const [dQkv] = nativeNode('AttendGrad', precision, [dMixed!, qkv!, scoreStats!], [qkv!.dims], attributes);
        const dims = [h!.dims, qkvWeight.dims, qkvBias.dims];
        const [dh, ...dLinear] = nativeNode('LinearGrad', precision, [dQkv!, h!, qkvWeight], dims);
        const normDims = [x.dims, gain.dims, shift.dims];
        const normInputs = [dh!, x, stats!, gain];
        const [dx, ...dNorm] = isWhole
          ? nativeNode('NormGradAdd', precision, [...normInputs, dy], normDims)
          : nativeNode('NormGrad', precision, normInputs, normDims);
        return [dx, ...dNorm, ...dLinear, ...dProj, ...(isWhole ? [] : [dy])];
      },
    };
  });
}

/** x + mlp(norm2(x)) of a block, as {@link nativeAttention}. @param x [rows, width]. */
export function nativeMlp(precision: Precision, x: Tensor, leaves: Leaves): Tensor {
  const [gain, shift] = [leaves('norm2.weight'), leaves('norm2.bias')];
  const [weight1, bias1] = [leaves('mlp.fc1.weight'), leaves('mlp.fc1.bias')];
  const [weight2, bias2] = [leaves('mlp.fc2.weight'), leaves('mlp.fc2.bias')];
  return customVjp('NativeMlp', [x, gain, shift, weight1, bias1, weight2, bias2], () => {
    const [h, stats] = nativeNode('Norm', precision, [x, gain, shift], [x.dims, [x.dims[0]!, 2]]);
    const hidden = [x.dims[0]!, weight1.dims[0]!];
    const [active, slopes] = nativeNode('LinearGelu', precision, [h!, weight1, bias1], [hidden, hidden]);
    const [y] = nativeNode('LinearAdd', precision, [active!, weight2, bias2, x], [x.dims]);
    return {
      output: y!,
      vjp: (dy) => {
        const inputs = [dy, active!, weight2, slopes!];
        const [dSums, ...dSecond] = nativeNode('LinearGeluGrad', precision, inputs, [hidden, weight2.dims, bias2.dims]);
        const [dh, ...dFirst] = nativeNode('LinearGrad', precision, [dSums!, h!, weight1], [h!.dims, weight1.dims, bias1.dims]);
        const dims = [x.dims, gain.dims, shift.dims];
        const [dx, ...dNorm] = nativeNode('NormGradAdd', precision, [dh!, x, stats!, gain, dy], dims);
        return [dx, ...dNorm, ...dFirst, ...dSecond];
      },
    };
  });
}
