import { type JobSpec, MaestroError, readStoredSpec } from '@maestro/protocol';
import { resolveLocation } from '@maestro/storage';
import { beginExamination, readState } from './checkpointReport.ts';
import { throwIfInvalid } from './readCheckpoint.ts';

/**
 * Reads the job file that a checkpoint was trained with, without its tensors. Its recipe need not be loaded.
 * @throws MaestroError `checkpoint-invalid`, `not-found` when there is no such folder.
 */
export async function readJobSpec(dir: string): Promise<JobSpec> {
  const examination = await beginExamination(resolveLocation(dir));
  throwIfInvalid(examination);
  const state = await readState(examination);
  throwIfInvalid(examination);
  const spec = state!['spec'];
  if (spec === undefined) throw new MaestroError('checkpoint-invalid', `${dir}: its state.json contains no job file`);
  return readStoredSpec(spec).spec;
}
