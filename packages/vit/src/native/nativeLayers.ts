import { customVjp, flattenRows, reshape, type Tensor } from '@maestro/graph';
import type { Precision } from '@maestro/native/operators';
import { nativeNode } from './nativeNode.ts';

/** A linear layer between float32 values: x [..., in], weight [out, in], bias [out] -> [..., out]. */
export function nativeLinear(precision: Precision, x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const rows = flattenRows(x);
  const y = customVjp('Linear', [rows, weight, bias], () => ({
    output: nativeNode('LinearIn', precision, [rows, weight, bias], [[rows.dims[0]!, weight.dims[0]!]])[0]!,
    vjp: (dy, [isInner]) =>
      isInner
        ? nativeNode('LinearInGrad', precision, [dy, rows, weight], [rows.dims, weight.dims, bias.dims])
        : [undefined, ...nativeNode('LinearGradW', precision, [dy, rows], [weight.dims, bias.dims])],
  }));
  return reshape(y, [...x.dims.slice(0, -1), weight.dims[0]!]);
}

/** A layer norm of float32 values over the last axis of x [rows, width], with an epsilon of 1e-6. */
export function nativeNorm(x: Tensor, gain: Tensor, bias: Tensor): Tensor {
  return customVjp('LayerNorm', [x, gain, bias], () => {
    const [y, stats] = nativeNode('Norm', 'float32', [x, gain, bias], [x.dims, [x.dims[0]!, 2]]);
    return {
      output: y!,
      vjp: (dy) => nativeNode('NormGrad', 'float32', [dy, x, stats!, gain], [x.dims, gain.dims, bias.dims]),
    };
  });
}
