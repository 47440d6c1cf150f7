import { encodeModel } from '@maestro/graph';
import { describeNative, OPERATORS_VERSION, openNative } from '@maestro/native';
import { type JobSpec, MaestroError } from '@maestro/protocol';
import type { RecipePlan } from '@maestro/recipes';

/** The training graph of a job: for everybody, and as this job runs it. */
export interface TrainingModels {
  /** Of ONNX's own operators: runs anywhere. */
  readonly standard: Uint8Array;
  /** Of native operators, where the job asks for them. */
  readonly native?: NativeModel;
}

/** A model of native operators. */
export interface NativeModel {
  readonly model: Uint8Array;
  /** Path of the library that has the operators. */
  readonly operators: string;
  readonly version: number;
}

/**
 * Builds the training graphs of a job.
 * @throws MaestroError `unavailable` with the reason when the job needs native operators and this machine has none.
 */
export function buildTrainingModels(plan: RecipePlan, { precision }: Pick<JobSpec, 'precision'>): TrainingModels {
  const standard = encodeModel(plan.buildTraining());
  if (precision === 'standard') return { standard };
  if (precision === 'auto') throw new MaestroError('protocol-violation', 'precision auto: the coordinator has not decided it');
  const library = openNative();
  if (library === undefined) {
    throw new MaestroError('unavailable', `precision ${precision}: this worker has no native operators: ${describeNative().reason}`);
  }
  return {
    standard,
    native: { model: encodeModel(plan.buildTraining(precision)), operators: library.path, version: OPERATORS_VERSION },
  };
}
