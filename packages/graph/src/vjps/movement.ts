import { normalAxis } from '../dim.ts';
import type { Tensor } from '../graph.ts';
import { concat, pad, reshape, shapeOperand, slice, sliceRange, transpose } from '../ops/movement.ts';
import { unary, type Vjps } from '../rule.ts';
import { unbroadcast } from './unbroadcast.ts';

/** Derivatives of the ops that move elements without computing. */
export const movementVjps = {
  Reshape: unary((d, x) => reshape(d, x.dims)),
  Transpose: unary((d, _x, _y, { perm }) => transpose(d, inverseOrder(perm as readonly number[]))),
  Concat: ({ cotangents: [d], inputs, attributes: { axis } }) => {
    const at = normalAxis(axis as number, d!.dims.length);
    let end = 0;
    return inputs.map(({ dims }) => {
      const start = end;
      end += dims[at] as number;
      const stop = end;
      return () => slice(d!, { axis: at, start, end: stop });
    });
  },
  Split: ({ cotangents, attributes: { axis } }) => [() => concat(cotangents, axis as number)],
  Slice: ({ cotangents: [d], inputs }) => {
    const { axis, size, start, end, step } = sliceRange(inputs);
    // A stride would need zeros between the elements.
    return step === 1 ? [() => pad(d!, { axis, before: start, after: size - end })] : [];
  },
  Pad: ({ cotangents: [d], inputs }) => {
    const [x, pads] = inputs;
    const amounts = shapeOperand(pads) as readonly number[];
    return [
      () =>
        x!.dims.reduce<Tensor>((rest, dim, axis) => {
          if (rest.dims[axis] === dim) return rest;
          const start = amounts[axis]!;
          return slice(rest, { axis, start, end: start + (dim as number) });
        }, d!),
    ];
  },
  Expand: unary((d, x) => unbroadcast(d, x)),
  Squeeze: unary((d, x) => reshape(d, x.dims)),
  Unsqueeze: unary((d, x) => reshape(d, x.dims)),
  // The gradient of a gather is a scatter, whose order of sums is not fixed: use permuteRows, or gather tensors that need no gradient.
} satisfies Vjps;

function inverseOrder(perm: readonly number[]): readonly number[] {
  const inverse = new Array<number>(perm.length);
  perm.forEach((axis, at) => {
    inverse[axis] = at;
  });
  return inverse;
}
