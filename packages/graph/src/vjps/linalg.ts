import type { Attributes } from '../graph.ts';
import { mul } from '../ops/elementwise.ts';
import { flattenRows, gemm, matMul } from '../ops/linalg.ts';
import { swapLastAxes } from '../ops/movement.ts';
import type { Vjps } from '../rule.ts';
import { unbroadcast } from './unbroadcast.ts';

const floatOf = (attribute: Attributes[string] | undefined): number => (attribute as { readonly float: number }).float;

/** Derivatives of the matrix products. */
export const linalgVjps = {
  MatMul: ({ cotangents, inputs }) => {
    const [d, a, b] = [cotangents[0]!, inputs[0]!, inputs[1]!];
    return [
      () => unbroadcast(matMul(d, swapLastAxes(b)), a),
      () => {
        // For a shared right-hand matrix: one product over all rows instead of a batch of products that are then summed.
        if (b.dims.length === 2)
          return gemm(flattenRows(a), flattenRows(d), undefined, {
            transA: true,
          });
        return unbroadcast(matMul(swapLastAxes(a), d), b);
      },
    ];
  },
  Gemm: ({ cotangents, inputs, attributes }) => {
    const [d, a, b, c] = [cotangents[0]!, inputs[0]!, inputs[1]!, inputs[2]];
    const alpha = floatOf(attributes.alpha);
    const beta = floatOf(attributes.beta);
    const transA = attributes.transA === 1;
    const transB = attributes.transB === 1;
    return [
      () => (transA ? gemm(b, d, undefined, { alpha, transA: transB, transB: true }) : gemm(d, b, undefined, { alpha, transB: !transB })),
      () => (transB ? gemm(d, a, undefined, { alpha, transA: true, transB: transA }) : gemm(a, d, undefined, { alpha, transA: !transA })),
      c && (() => unbroadcast(beta === 1 ? d : mul(d, beta), c)),
    ];
  },
} satisfies Vjps;
