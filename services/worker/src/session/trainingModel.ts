import type { TrainingStage } from '@maestro/engine';
import { encodeModel, encodeStages, type Graph } from '@maestro/graph';
import { describeNative, OPERATORS_VERSION, openNative } from '@maestro/native';
import { type JobSpec, MaestroError } from '@maestro/protocol';
import type { RecipePlan } from '@maestro/recipes';
import type { GradientStage } from './gradientStages.ts';

/** The training graph that a job runs. */
export interface TrainingModel {
  readonly model: Uint8Array;
  /** The same in stages, whose gradients are complete one after the other; none where it is to be run whole. */
  readonly stages: readonly TrainingStage[];
  /** Where its native operators come from; absent for a model of ONNX's own, which runs anywhere. */
  readonly native?: NativeOperators;
}

/** The library that has a model's operators. */
export interface NativeOperators {
  readonly path: string;
  readonly version: number;
}

/**
 * Builds the training graph of a job, and that of each of `stages`.
 * @throws MaestroError `unavailable` with the reason when the job needs native operators and this machine has none.
 */
export function buildJobModel(
  plan: Pick<RecipePlan, 'buildTraining'>,
  { precision }: Pick<JobSpec, 'precision'>,
  stages: readonly GradientStage[],
): TrainingModel {
  if (precision === 'standard') return encode(plan.buildTraining(), stages);
  if (precision === 'auto') throw new MaestroError('protocol-violation', 'precision auto: the coordinator has not decided it');
  const library = openNative();
  if (library === undefined) {
    throw new MaestroError('unavailable', `precision ${precision}: this worker has no native operators: ${describeNative().reason}`);
  }
  return { ...encode(plan.buildTraining(precision), stages), native: { path: library.path, version: OPERATORS_VERSION } };
}

/** The first stage ends with the loss, and gives all that the recipe reports. */
function encode(graph: Graph, stages: readonly GradientStage[]): Pick<TrainingModel, 'model' | 'stages'> {
  const told = [...graph.outputs].flatMap(([name, { sequence }]) => (sequence || name.startsWith('grad.') ? [] : [name]));
  const outputs = stages.map(({ parameters }, stage) => [...(stage === 0 ? told : []), ...parameters.map((name) => `grad.${name}`)]);
  const models = encodeStages(graph, outputs);
  return { model: encodeModel(graph), stages: stages.map(({ range }, stage) => ({ range, model: models[stage] })) };
}
