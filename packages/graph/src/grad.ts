import { describeComposite } from './customVjp.ts';
import { formatDims, sameDims } from './dim.ts';
import { isFloat } from './dtype.ts';
import type { Composite, Graph, Node, Tensor } from './graph.ts';
import { GraphError } from './graphError.ts';
import { add } from './ops/elementwise.ts';
import { zerosLike } from './ops/movement.ts';
import { VJPS } from './vjps/table.ts';

/**
 * Appends the gradient of the scalar `loss` to its graph and returns one tensor per entry of `wrt`, of the same shape (reverse mode).
 * Gradients are nodes like any other, in the scope `grad/<scope of the forward>`; unused ones are dropped when the model is encoded.
 * Contributions to a tensor that is used more than once are summed in reverse building order.
 *
 * @throws GraphError when the loss is not a float scalar, when an entry of `wrt` is not float or does not affect the loss, and when the
 * gradient must pass an op that has no rule for it (naming the op and the node).
 */
export function grad(loss: Tensor, wrt: readonly Tensor[]): readonly Tensor[] {
  const { graph } = loss;
  if (loss.dims.length !== 0 || !isFloat(loss.dtype)) {
    throw new GraphError(`grad: the loss '${loss.name}' must be a float scalar, found ${loss.dtype}${formatDims(loss.dims)}`);
  }
  for (const tensor of wrt) {
    if (tensor.graph !== graph) throw new GraphError(`grad: '${tensor.name}' belongs to another graph than the loss '${loss.name}'`);
    if (!isFloat(tensor.dtype)) throw new GraphError(`grad: '${tensor.name}' is ${tensor.dtype}; only float tensors have a gradient`);
  }
  const nodes = graph.nodes.slice();
  const active = dependents(graph, nodes, wrt);
  const cotangents = new Map<Tensor, Tensor>([[loss, graph.scalar(1, loss.dtype)]]);

  for (let index = nodes.length - 1; index >= 0; index--) {
    const node = nodes[index]!;
    const composite = node.outputs.map((output) => graph.composites.get(output)).find((found) => found !== undefined);
    graph.inScope(node.scope === '' ? 'grad' : `grad/${node.scope}`, () => {
      if (composite === undefined) backNode(node, active, cotangents);
      else backComposite(graph, composite, active, cotangents);
    });
  }

  return wrt.map((tensor) => {
    const cotangent = cotangents.get(tensor);
    if (cotangent === undefined) {
      throw new GraphError(`grad: '${tensor.name}' does not affect the loss '${loss.name}'; remove it, or use it in the forward pass`);
    }
    return cotangent;
  });
}

/**
 * Returns the float tensors that depend on any of `wrt`, including these; a composite's output depends on its inputs whatever is inside.
 */
function dependents({ composites }: Graph, nodes: readonly Node[], wrt: readonly Tensor[]): ReadonlySet<Tensor> {
  const active = new Set(wrt);
  const isActive = (input: Tensor) => active.has(input);
  for (const { inputs, outputs } of nodes) {
    const passes = inputs.some(isActive);
    for (const output of outputs) {
      if (isFloat(output.dtype) && (passes || composites.get(output)?.inputs.some(isActive))) active.add(output);
    }
  }
  return active;
}

function backNode(node: Node, active: ReadonlySet<Tensor>, cotangents: Map<Tensor, Tensor>): void {
  const { op, name, inputs, outputs, attributes } = node;
  if (!outputs.some((output) => cotangents.has(output)) || !inputs.some((input) => active.has(input))) return;
  const vjp = VJPS[op];
  if (vjp === undefined) throw new GraphError(`grad: op ${op} has no vjp, and a gradient must pass node '${name}'`);
  const filled = outputs.map((output) => cotangents.get(output) ?? zerosLike(output));
  const thunks = vjp({ cotangents: filled, inputs, outputs, attributes });
  inputs.forEach((input, at) => {
    if (!active.has(input)) return;
    const thunk = thunks[at];
    if (thunk === undefined) {
      throw new GraphError(`grad: op ${op} has no vjp for input ${at} ('${input.name}'), and a gradient must pass it in node '${name}'`);
    }
    accumulate(cotangents, input, thunk(), () => `${op} in node '${name}'`);
  });
}

function backComposite(graph: Graph, composite: Composite, active: ReadonlySet<Tensor>, cotangents: Map<Tensor, Tensor>): void {
  const { inputs, outputs, vjp, firstIndex, endIndex } = composite;
  if (!outputs.some((output) => cotangents.has(output))) return;
  const listed = new Set(inputs);
  for (const node of graph.nodes.slice(firstIndex, endIndex)) {
    for (const input of node.inputs) {
      const isOutside = input.node === undefined || input.node.index < firstIndex;
      if (isOutside && active.has(input) && !listed.has(input)) {
        throw new GraphError(`grad: ${describeComposite(composite)} uses '${input.name}' without listing it as an input`);
      }
    }
  }
  const results = vjp(
    outputs.map((output) => cotangents.get(output) ?? zerosLike(output)),
    inputs.map((input) => active.has(input)),
  );
  if (results.length !== inputs.length) {
    throw new GraphError(
      `grad: the vjp of ${describeComposite(composite)} returned ${results.length} cotangents for ${inputs.length} inputs`,
    );
  }
  inputs.forEach((input, at) => {
    const cotangent = results[at];
    if (cotangent !== undefined && active.has(input)) accumulate(cotangents, input, cotangent, () => describeComposite(composite));
  });
}

function accumulate(cotangents: Map<Tensor, Tensor>, tensor: Tensor, cotangent: Tensor, where: () => string): void {
  if (cotangent.dtype !== tensor.dtype || !sameDims(cotangent.dims, tensor.dims)) {
    throw new GraphError(
      `grad: the vjp of ${where()} gave ${cotangent.dtype}${formatDims(cotangent.dims)} for '${tensor.name}' ` +
        `${tensor.dtype}${formatDims(tensor.dims)}`,
    );
  }
  const sum = cotangents.get(tensor);
  cotangents.set(tensor, sum === undefined ? cotangent : add(sum, cotangent));
}
