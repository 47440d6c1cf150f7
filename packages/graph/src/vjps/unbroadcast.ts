import { sameDims } from '../dim.ts';
import type { Tensor } from '../graph.ts';
import { reshape } from '../ops/movement.ts';
import { reduceSum } from '../ops/reduction.ts';

/** Sums `d`, which has a broadcast shape, down to the shape of the operand `x`. */
export function unbroadcast(d: Tensor, x: Tensor): Tensor {
  if (sameDims(d.dims, x.dims)) return d;
  const added = d.dims.length - x.dims.length;
  const axes = d.dims.map((_, axis) => axis).filter((axis) => axis < added || (x.dims[axis - added] === 1 && d.dims[axis] !== 1));
  return reshape(reduceSum(d, { axes }), x.dims);
}
