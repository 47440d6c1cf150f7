import type { Graph, Node, Tensor } from './graph.ts';
import { GraphError } from './graphError.ts';
import type { Program } from './program.ts';

/**
 * Splits a graph into stages that are run one after the other: after stage k all outputs that `stages[k]` names are there. A node is in the
 * first stage that needs it, so nothing is computed twice; what a later stage needs of an earlier one becomes an output of that and an
 * input of this, under the value's own name. Outputs that no stage names are left out. A stage may have no nodes.
 *
 * @throws GraphError for a name that is no output of the graph.
 */
export function stagePrograms(graph: Graph, stages: readonly (readonly string[])[]): readonly Program[] {
  const outputNames = new Map([...graph.outputs].map(([name, value]) => [value, name]));
  const nameOf = (value: Tensor): string => outputNames.get(value) ?? value.name;
  const stageOf = new Map<Node, number>();
  const wanted = stages.map((names) =>
    names.map((name) => {
      const value = graph.outputs.get(name);
      if (value === undefined) throw new GraphError(`stage of '${graph.name}': there is no output '${name}'`);
      return value;
    }),
  );
  for (const [stage, values] of wanted.entries()) claim(graph, values, stage, stageOf);

  const nodes = stages.map((_, stage) => graph.nodes.filter((node) => stageOf.get(node) === stage));
  const used = nodes.map((own) => new Set(own.flatMap(({ inputs }) => inputs)));
  return stages.map((_, stage) => {
    const carriedIn = [...used[stage]!].filter(({ node }) => node !== undefined && stageOf.get(node)! < stage);
    const carriedOut = nodes[stage]!.flatMap(({ outputs }) => outputs).filter((value) =>
      used.some((values, k) => k > stage && values.has(value)),
    );
    return {
      name: `${graph.name}_${stage}`,
      inputs: [...graph.inputs.filter((input) => used[stage]!.has(input)), ...carriedIn],
      constants: graph.constants.filter((constant) => used[stage]!.has(constant)),
      nodes: nodes[stage]!,
      outputs: [...new Set([...wanted.flat().filter(({ node }) => node !== undefined && stageOf.get(node) === stage), ...carriedOut])],
      nameOf,
    };
  });
}

/** Puts the nodes that `values` need, and that no earlier stage has, into `stage`. */
function claim({ nodes }: Graph, values: readonly Tensor[], stage: number, stageOf: Map<Node, number>): void {
  const live = new Set(values);
  for (let index = nodes.length - 1; index >= 0; index--) {
    const node = nodes[index]!;
    if (stageOf.has(node) || !node.outputs.some((output) => live.has(output))) continue;
    stageOf.set(node, stage);
    for (const input of node.inputs) live.add(input);
  }
}
