import type { Graph, Tensor } from '@maestro/graph';
import type { ParameterSpec } from '@maestro/tensors';
import { batchInput, type Parameters } from '@maestro/vit';
import { maskedInputs } from './batchInputs.ts';
import type { MaeConfig } from './config.ts';
import { parameterSpecs } from './parameters.ts';

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

/** Declares `ids_shuffle`, int64 [N, L]: the patches of each image in shuffled order, the kept ones first. */
export function idsShuffleInput(graph: Graph, config: MaeConfig): Tensor {
  return batchInput(graph, maskedInputs(config)[1]);
}
