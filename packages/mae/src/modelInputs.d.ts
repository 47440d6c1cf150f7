import type { Graph, Tensor } from '@maestro/graph';
import type { ParameterSpec } from '@maestro/tensors';
import { type Parameters } from '@maestro/vit';
import type { MaeConfig } from './config.ts';
/** Declares every parameter, or those that `isUsed`, as an input of `graph`, in model order. */
export declare function parameterInputs(graph: Graph, config: MaeConfig, isUsed?: (spec: ParameterSpec) => boolean): Parameters;
/** Puts every parameter that `isUsed` into `graph` with its values, which are kept, not copied. */
export declare function parameterConstants(
  graph: Graph,
  config: MaeConfig,
  valuesOf: (name: string) => Float32Array,
  isUsed?: (spec: ParameterSpec) => boolean,
): Parameters;
/** Declares `ids_shuffle`, int64 [N, L]: the patches of each image in shuffled order, the kept ones first. */
export declare function idsShuffleInput(graph: Graph, config: MaeConfig): Tensor;
//# sourceMappingURL=modelInputs.d.ts.map
