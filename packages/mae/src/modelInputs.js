import { batchInput } from '@maestro/vit';
import { maskedInputs } from './batchInputs.js';
import { parameterSpecs } from './parameters.js';
/** Declares every parameter, or those that `isUsed`, as an input of `graph`, in model order. */
export function parameterInputs(graph, config, isUsed = () => true) {
  const specs = parameterSpecs(config).filter(isUsed);
  const tensors = new Map(specs.map(({ name, shape }) => [name, graph.input(name, 'float32', shape)]));
  return (name) => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new RangeError(`internal: there is no parameter '${name}'`);
    return tensor;
  };
}
/** Puts every parameter that `isUsed` into `graph` with its values, which are kept, not copied. */
export function parameterConstants(graph, config, valuesOf, isUsed = () => true) {
  const specs = parameterSpecs(config).filter(isUsed);
  const tensors = new Map(specs.map(({ name, shape }) => [name, graph.constant(name, 'float32', shape, valuesOf(name))]));
  return (name) => tensors.get(name);
}
/** Declares `ids_shuffle`, int64 [N, L]: the patches of each image in shuffled order, the kept ones first. */
export function idsShuffleInput(graph, config) {
  return batchInput(graph, maskedInputs(config)[1]);
}
//# sourceMappingURL=modelInputs.js.map
