import { OPERATORS_VERSION } from '@maestro/native/operators';
import { isTraining, type JobPrecision, type JobSpec } from '@maestro/protocol';
import { canCompute, demandOf, type FreeWorker } from './schedulableJob.ts';

/** What `precision: auto` of a job file has become, and why, as a sentence. */
export interface PrecisionChoice {
  readonly precision: JobPrecision;
  readonly reason: string;
}

/** A connected worker, as far as the choice depends on it. */
export type ComputingWorker = Pick<FreeWorker, 'name' | 'device' | 'operators' | 'kernels'>;

/**
 * Chooses what `precision: auto` becomes: the fastest precision that has the accuracy of float32. That is native float32 when every worker
 * that could serve the job has native operators of this version, so that none is shut out; else standard. Never a lower precision.
 */
export function choosePrecision(spec: JobSpec, workers: readonly ComputingWorker[]): PrecisionChoice {
  const choose = (precision: JobPrecision, why: string): PrecisionChoice => ({
    precision,
    reason: `precision auto: ${precision}, since ${why}`,
  });
  const { device } = spec.resources;
  if (!isTraining(spec)) return choose('standard', `recipe ${spec.recipe} does not train`);
  if (device !== 'cpu') return choose('standard', `native operators are for cpu, and the job is for ${device}`);
  const able = workers.filter((worker) => canCompute(demandOf(spec), worker));
  if (able.length === 0) return choose('standard', `no ${device} worker is connected`);
  const lacking = able.filter((worker) => worker.device !== 'cpu' || worker.operators !== OPERATORS_VERSION);
  const [first] = lacking;
  if (first !== undefined) {
    const why = first.device !== 'cpu' ? `it computes on ${first.device}` : first.operators ? `version ${first.operators}` : first.kernels;
    const who = `${lacking.length} of ${able.length} worker${able.length === 1 ? '' : 's'} lack${lacking.length === 1 ? 's' : ''}`;
    return choose('standard', `${who} native operators ${OPERATORS_VERSION} (${first.name}${why ? `: ${why}` : ''})`);
  }
  const sets = [...new Set(able.map(({ kernels }) => kernels))].filter((kernels) => kernels).sort();
  const who = able.length === 1 ? 'the only worker has' : `all ${able.length} workers have`;
  return choose('float32', `${who} native operators ${OPERATORS_VERSION}${sets.length === 0 ? '' : ` (${sets.join(', ')})`}`);
}
