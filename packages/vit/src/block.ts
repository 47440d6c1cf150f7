import { add, attention, reshape, slice, split, type Tensor, transpose } from '@maestro/graph';
import { BATCH, type Parameters } from './inputs.ts';
import { linearLayer, mlpLayer, normLayer } from './layers.ts';
import { nativeAttention, nativeMlp } from './native/nativeBlock.ts';

/** Shape of a transformer block. */
export interface BlockOptions {
  /** Where its parameters are, such as `blocks.3`. */
  readonly name: string;
  /** Tokens of each image. */
  readonly tokens: number;
  readonly heads: number;
  /** Computes the outputs from this token on; the tokens before it are only looked at. 0 when left out. */
  readonly from?: number;
}

/**
 * A pre-norm transformer block (Dosovitskiy et al. 2020): x + attention(norm1(x)), then x + mlp(norm2(x)).
 * Tokens are kept as the rows of a matrix, which spares a reshape around every layer.
 * @param x [N * tokens, width]. @returns [N * (tokens - from), width].
 */
export function block(x: Tensor, parameters: Parameters, { name, tokens, heads, from = 0 }: BlockOptions): Tensor {
  return x.graph.scope(name, () => {
    const kept = from === 0 ? x : tokensFrom(x, { tokens, from });
    const { precision } = x.graph;
    if (precision !== 'standard') {
      const leaves = (leaf: string) => parameters(`${name}.${leaf}`);
      return nativeMlp(precision, nativeAttention(precision, x, kept, leaves, { tokens, heads, from }), leaves);
    }
    const mixed = selfAttention(normLayer(x, parameters, `${name}.norm1`), parameters, { name: `${name}.attn`, tokens, heads, from });
    const attended = add(kept, mixed);
    return add(attended, mlpLayer(normLayer(attended, parameters, `${name}.norm2`), parameters, `${name}.mlp`));
  });
}

/** The tokens of each image from `from` on: [N * tokens, width] -> [N * (tokens - from), width]. */
function tokensFrom(x: Tensor, { tokens, from }: { readonly tokens: number; readonly from: number }): Tensor {
  const width = x.dims[1]!;
  return reshape(slice(reshape(x, [BATCH, tokens, width]), { axis: 1, start: from }), [-1, width]);
}

/** Multi-head self-attention: [N * tokens, width] -> [N * (tokens - from), width]. */
function selfAttention(x: Tensor, parameters: Parameters, { name, tokens, heads, from }: Required<BlockOptions>): Tensor {
  const width = x.dims[1] as number;
  const headDim = width / heads;
  const qkv = reshape(linearLayer(x, parameters, `${name}.qkv`), [BATCH, tokens, 3, heads, headDim]);
  const [q, k, v] = split(transpose(qkv, [2, 0, 3, 1, 4]), { axis: 0, sizes: [1, 1, 1] }).map((part) =>
    reshape(part, [BATCH, heads, tokens, headDim]),
  );
  const asking = from === 0 ? q! : slice(q!, { axis: 2, start: from });
  const answers = transpose(attention(asking, k!, v!), [0, 2, 1, 3]); // [N, tokens - from, heads, headDim]
  return linearLayer(reshape(answers, [-1, width]), parameters, `${name}.proj`);
}
