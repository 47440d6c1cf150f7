import { encodeModel } from '@maestro/graph';
import { describeNative, OPERATORS_VERSION, openNative } from '@maestro/native';
import { type JobSpec, MaestroError } from '@maestro/protocol';
import type { RecipePlan } from '@maestro/recipes';

/** The training graph that a job runs. */
export interface TrainingModel {
  readonly model: Uint8Array;
  /** Where its native operators come from; absent for a model of ONNX's own, which runs anywhere. */
  readonly native?: NativeOperators;
}

/** The library that has a model's operators. */
export interface NativeOperators {
  readonly path: string;
  readonly version: number;
}

/**
 * Builds the training graph of a job.
 * @throws MaestroError `unavailable` with the reason when the job needs native operators and this machine has none.
 */
export function buildJobModel(plan: RecipePlan, { precision }: Pick<JobSpec, 'precision'>): TrainingModel {
  if (precision === 'standard') return { model: encodeModel(plan.buildTraining()) };
  if (precision === 'auto') throw new MaestroError('protocol-violation', 'precision auto: the coordinator has not decided it');
  const library = openNative();
  if (library === undefined) {
    throw new MaestroError('unavailable', `precision ${precision}: this worker has no native operators: ${describeNative().reason}`);
  }
  return { model: encodeModel(plan.buildTraining(precision)), native: { path: library.path, version: OPERATORS_VERSION } };
}
