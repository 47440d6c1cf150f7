import { formatDims } from './dim.ts';
import type { Attributes, Tensor, ValueType } from './graph.ts';
import { GraphError } from './graphError.ts';

/** Builds the cotangent of one input; called only when that input needs one. */
export type Thunk = () => Tensor;

/** What a vjp (vector-Jacobian product) may read: the node's cotangents, inputs, outputs and attributes. */
export interface VjpSite {
  /** One per output, shaped like it. */
  readonly cotangents: readonly Tensor[];
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attributes: Attributes;
}

/** One row of the op table: how an op's output types follow from its inputs, and how its gradient flows back. */
export interface Rule {
  readonly infer: (inputs: readonly Tensor[], attributes: Attributes) => ValueType | readonly ValueType[];
  /** One thunk per input; an absent thunk, or no vjp at all, is an error when a gradient must pass there. */
  readonly vjp?: (site: VjpSite) => readonly (Thunk | undefined)[];
}

/** Rules by ONNX op name. */
export type Rules = Readonly<Record<string, Rule>>;

/** A rule for an op of one tensor `x` with output `y` and its cotangent `d`; further inputs (axes, shapes) get no gradient. */
export function unary(infer: Rule['infer'], vjp?: (d: Tensor, x: Tensor, y: Tensor, attributes: Attributes) => Tensor): Rule {
  if (vjp === undefined) return { infer };
  return {
    infer,
    vjp: ({ cotangents, inputs, outputs, attributes }) => [() => vjp(cotangents[0]!, inputs[0]!, outputs[0]!, attributes)],
  };
}

/** A rule for an op of two tensors `a` and `b` with output `y` and its cotangent `d`. */
export function binary(
  infer: Rule['infer'],
  vjp?: (d: Tensor, a: Tensor, b: Tensor, y: Tensor) => readonly [(() => Tensor) | undefined, (() => Tensor)?],
): Rule {
  if (vjp === undefined) return { infer };
  return {
    infer,
    vjp: ({ cotangents, inputs, outputs }) => vjp(cotangents[0]!, inputs[0]!, inputs[1]!, outputs[0]!),
  };
}

/** Applies ops of one table: infers the output types, appends the node and returns all its outputs. */
export function emitterOf<R extends Rules>(rules: R) {
  return (op: keyof R & string, inputs: readonly Tensor[], attributes: Attributes = {}): readonly Tensor[] => {
    const { graph } = inputs[0]!;
    let types: ValueType | readonly ValueType[];
    try {
      if (inputs.some(({ sequence }) => sequence)) throw new GraphError('a sequence can only be an output');
      types = (rules[op] as Rule).infer(inputs, attributes);
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      const operands = inputs.map((input) => `${input.name} ${input.dtype}${formatDims(input.dims)}`).join(', ');
      throw new GraphError(`${graph.nextNodeName(op)}: ${op}(${operands}): ${error.message}`);
    }
    return graph.addNode(op, inputs, attributes, Array.isArray(types) ? types : [types as ValueType]);
  };
}
