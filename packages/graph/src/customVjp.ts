import { formatDims } from './dim.ts';
import type { Composite, Tensor } from './graph.ts';
import { GraphError } from './graphError.ts';

/** Result of the forward of a {@link customVjp}. */
export interface CustomVjp {
  readonly output: Tensor;
  /**
   * The backward: maps the cotangent of `output` to one cotangent per input, in order. Intermediate values of the forward are simply
   * captured. Undefined means that no gradient flows into that input. `needed` says of each input whether its cotangent is of use: where
   * one operator makes several, it can leave out what nobody asks for.
   */
  readonly vjp: (cotangent: Tensor, needed: readonly boolean[]) => readonly (Tensor | undefined)[];
}

/**
 * Builds a piece of forward graph with a hand-written backward, for cases where the op-by-op gradient would be slower or less exact.
 * `forward` builds nodes from `inputs`; differentiation then goes from the output to `inputs` through `vjp` and never looks inside. Every
 * tensor through which a gradient should flow must be listed: one that is only captured is an error in `grad`.
 *
 * @param name names the nodes' scope and appears in error messages.
 */
export function customVjp(name: string, inputs: readonly Tensor[], forward: () => CustomVjp): Tensor {
  const { graph } = inputs[0]!;
  return graph.scope(name, () => {
    const scope = graph.currentScope;
    const firstIndex = graph.nodes.length;
    const { output, vjp } = forward();
    if (output.node === undefined || output.node.index < firstIndex) {
      throw new GraphError(`${scope}: the output of a custom vjp must be made by its forward, found '${output.name}'`);
    }
    const composite: Composite = {
      name,
      scope,
      firstIndex,
      endIndex: graph.nodes.length,
      inputs,
      outputs: [output],
      vjp: ([cotangent], needed) => vjp(cotangent!, needed),
    };
    graph.composites.set(output, composite);
    return output;
  });
}

/** Returns x with its gradient blocked. */
export function stopGradient(x: Tensor): Tensor {
  return customVjp('StopGradient', [x], () => ({
    output: x.graph.addNode('Identity', [x], {}, [x])[0]!,
    vjp: () => [undefined],
  }));
}

/** Formats the scope, name and shapes of a composite for error messages. */
export function describeComposite({ scope, name, inputs }: Composite): string {
  return `${name} (${scope}; inputs ${inputs.map((input) => `${input.name} ${formatDims(input.dims)}`).join(', ')})`;
}
