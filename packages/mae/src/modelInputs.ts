import type { Graph, Tensor } from '@maestro/graph';
import type { BatchInput } from '@maestro/protocol';
import type { ParameterSpec } from '@maestro/tensors';
import { imagesOf, maskedInputs } from './batchInputs.ts';
import type { MaeConfig } from './config.ts';
import { parameterSpecs } from './parameters.ts';

/** Looks a parameter up by its name in the checkpoints. */
export type Parameters = (name: string) => Tensor;

/** The symbol of the number of images in a model's shapes. */
export const BATCH = 'N';

/** Declares every parameter, or those that `isUsed`, as an input of `graph`, in model order. */
export function parameterInputs(graph: Graph, config: MaeConfig, isUsed: (spec: ParameterSpec) => boolean = () => true): Parameters {
  const specs = parameterSpecs(config).filter(isUsed);
  const tensors = new Map(specs.map(({ name, shape }) => [name, graph.input(name, 'float32', shape)]));
  return (name) => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new RangeError(`internal: there is no parameter '${name}'`);
    return tensor;
  };
}

/** Puts every parameter that `isUsed` into `graph` with its values, which are kept, not copied. */
export function parameterConstants(
  graph: Graph,
  config: MaeConfig,
  valuesOf: (name: string) => Float32Array,
  isUsed: (spec: ParameterSpec) => boolean = () => true,
): Parameters {
  const specs = parameterSpecs(config).filter(isUsed);
  const tensors = new Map(
    specs.map(({ name, shape }) => [name, graph.constant(name, 'float32', shape, valuesOf(name) as Float32Array<ArrayBuffer>)]),
  );
  return (name) => tensors.get(name)!;
}

/** Declares `images`, float32 [N, C, H, W]. */
export function imagesInput(graph: Graph, config: MaeConfig): Tensor {
  return batchInput(graph, imagesOf(config));
}

/** Declares `ids_shuffle`, int64 [N, L]: the patches of each image in shuffled order, the kept ones first. */
export function idsShuffleInput(graph: Graph, config: MaeConfig): Tensor {
  return batchInput(graph, maskedInputs(config)[1]);
}

/** Declares what each sample has as an input [N, ...shape]. */
export function batchInput(graph: Graph, { name, dtype, shape }: BatchInput): Tensor {
  return graph.input(name, dtype, [BATCH, ...shape]);
}
