import type { Graph, Node, Tensor } from './graph.ts';
import { GraphError } from './graphError.ts';

/** The part of a graph that its outputs need, in building order, and each value's name in the model. */
export interface Program {
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly constants: readonly Tensor[];
  readonly nodes: readonly Node[];
  readonly outputs: readonly Tensor[];
  readonly nameOf: (value: Tensor) => string;
}

/** Drops the nodes and constants that no output needs. Inputs stay: they are the model's signature. @throws GraphError without outputs. */
export function liveProgram(graph: Graph): Program {
  if (graph.outputs.size === 0) throw new GraphError(`graph '${graph.name}' has no outputs`);
  const live = new Set<Tensor>(graph.outputs.values());
  const nodes: Node[] = [];
  for (let index = graph.nodes.length - 1; index >= 0; index--) {
    const node = graph.nodes[index]!;
    if (!node.outputs.some((output) => live.has(output))) continue;
    nodes.push(node);
    for (const input of node.inputs) live.add(input);
  }
  nodes.reverse();
  const outputNames = new Map([...graph.outputs].map(([name, value]) => [value, name]));
  return {
    name: graph.name,
    inputs: graph.inputs,
    constants: graph.constants.filter((constant) => live.has(constant)),
    nodes,
    outputs: [...graph.outputs.values()],
    nameOf: (value) => outputNames.get(value) ?? value.name,
  };
}
