import { formatDims } from './dim.ts';
import type { Attributes, Tensor, ValueType } from './graph.ts';
import { GraphError } from './graphError.ts';

/** Builds the cotangent of one input; called only when that input needs one. */
export type Thunk = () => Tensor;

/** Input of a vjp (vector-Jacobian product): the node's cotangents, inputs, outputs and attributes. */
export interface VjpSite {
  /** One per output, of the same shape. */
  readonly cotangents: readonly Tensor[];
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attributes: Attributes;
}

/** Infers the types of an op's outputs from its inputs. @throws GraphError for invalid inputs. */
export type Infer = (inputs: readonly Tensor[], attributes: Attributes) => ValueType | readonly ValueType[];

/** Shape rules by ONNX op name. */
export type ShapeRules = Readonly<Record<string, Infer>>;

/** One thunk per input; an absent thunk, or no vjp at all, is an error when a gradient must pass there. */
export type Vjp = (site: VjpSite) => readonly (Thunk | undefined)[];

/** Derivatives by ONNX op name. */
export type Vjps = Readonly<Record<string, Vjp>>;

/** Builds the vjp of an op on one tensor `x` with output `y` and its cotangent `d`; further inputs (axes, shapes) get no gradient. */
export function unary(vjp: (d: Tensor, x: Tensor, y: Tensor, attributes: Attributes) => Tensor): Vjp {
  return ({ cotangents, inputs, outputs, attributes }) => [() => vjp(cotangents[0]!, inputs[0]!, outputs[0]!, attributes)];
}

/** Builds the vjp of an op on two tensors `a` and `b` with output `y` and its cotangent `d`. */
export function binary(vjp: (d: Tensor, a: Tensor, b: Tensor, y: Tensor) => readonly [(() => Tensor) | undefined, (() => Tensor)?]): Vjp {
  return ({ cotangents, inputs, outputs }) => vjp(cotangents[0]!, inputs[0]!, inputs[1]!, outputs[0]!);
}

/** Returns a function that applies ops of one table: it infers the output types, appends the node and returns all its outputs. */
export function emitterOf<R extends ShapeRules>(rules: R) {
  return (op: keyof R & string, inputs: readonly Tensor[], attributes: Attributes = {}): readonly Tensor[] => {
    const { graph } = inputs[0]!;
    let types: ValueType | readonly ValueType[];
    try {
      if (inputs.some(({ sequence }) => sequence)) throw new GraphError('a sequence can only be an output');
      types = (rules[op] as Infer)(inputs, attributes);
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      const operands = inputs.map((input) => `${input.name} ${input.dtype}${formatDims(input.dims)}`).join(', ');
      throw new GraphError(`${graph.nextNodeName(op)}: ${op}(${operands}): ${error.message}`);
    }
    return graph.addNode(op, inputs, attributes, Array.isArray(types) ? types : [types as ValueType]);
  };
}
