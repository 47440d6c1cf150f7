import { customVjp } from '../customVjp.ts';
import type { Tensor } from '../graph.ts';
import { gatherND, unsqueeze } from '../ops/movement.ts';

/** out[n] = x[n][ids[n]] for x [N, L, ...] and ids int64 [N, K]: selects rows per sample. Without gradient. */
export const takeRows = (x: Tensor, ids: Tensor): Tensor => gatherND(x, unsqueeze(ids, [-1]), 1);

/**
 * {@link takeRows} by a permutation of all L rows, with a gradient: the backward gathers by the inverse permutation, so that nothing is
 * scattered and the order of every sum is fixed. `inverse` must undo `ids`, or the gradient is wrong.
 */
export function permuteRows(x: Tensor, ids: Tensor, inverse: Tensor): Tensor {
  return customVjp('PermuteRows', [x], () => ({
    output: takeRows(x, ids),
    vjp: (d) => [takeRows(d, inverse)],
  }));
}
