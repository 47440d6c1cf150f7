import { add, encodeModel, Graph, identity, mul, reduceSum, sequenceConstruct, type Tensor } from '@maestro/graph';
import type { FlatLayout } from '@maestro/tensors';

/** Copies a vector: `from.NAME` to `to.NAME`, wherever either lies. */
export function copyModel({ tensors }: FlatLayout): Uint8Array {
  const graph = new Graph('copy_model');
  for (const { name, shape } of tensors) graph.output(`to.${name}`, identity(graph.input(`from.${name}`, 'float32', shape)));
  return encodeModel(graph);
}

/**
 * Adds a vector to another in place: `sum.NAME` = `into.NAME` + `from.NAME`, where `sum` and `into` are the same memory. The product with
 * `one` keeps an op from reading and writing one tensor, which WebGPU refuses; it changes no bit.
 */
export function addModel({ tensors }: FlatLayout): Uint8Array {
  const graph = new Graph('add_model');
  const one = graph.input('one', 'float32', []);
  for (const { name, shape } of tensors) {
    const into = mul(graph.input(`into.${name}`, 'float32', shape), one);
    graph.output(`sum.${name}`, add(into, graph.input(`from.${name}`, 'float32', shape)));
  }
  return encodeModel(graph);
}

/**
 * The sum of squares of a gradient: `squares`, a scalar. Rows are summed first and then what they give, tensor by tensor, so that float32
 * stays good to some 1e-6.
 */
export function sumSquaresModel({ tensors }: FlatLayout): Uint8Array {
  const graph = new Graph('sum_squares_model');
  graph.output('squares', sumSquares(tensors.map(({ name, shape }) => graph.input(`grad.${name}`, 'float32', shape))));
  return encodeModel(graph);
}

/**
 * Hardly computes, so that its runs show what it takes to carry a vector to a device, and back where `isReturned`: `from.NAME` gives
 * `squares`, and `to.NAME`, after `status`, a sequence, which in-place outputs need first.
 */
export function transferModel({ tensors }: FlatLayout, { isReturned }: { readonly isReturned: boolean }): Uint8Array {
  const graph = new Graph('transfer_model');
  const inputs = tensors.map(({ name, shape }) => graph.input(`from.${name}`, 'float32', shape));
  const squares = sumSquares(inputs);
  graph.output('status', sequenceConstruct([squares]));
  graph.output('squares', squares);
  if (isReturned) tensors.forEach(({ name }, i) => void graph.output(`to.${name}`, identity(inputs[i]!)));
  return encodeModel(graph);
}

function sumSquares(tensors: readonly Tensor[]): Tensor {
  const each = tensors.map((x) => {
    const rows = reduceSum(mul(x, x), { axes: [-1] });
    return rows.dims.length === 0 ? rows : reduceSum(rows);
  });
  return each.reduce((total, squares) => add(total, squares));
}
