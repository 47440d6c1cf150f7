import { describeProblems, readJobSpec, verifyCheckpoint } from '@maestro/checkpoint';
import { type JobSpec, MaestroError } from '@maestro/protocol';

/** A checkpoint that verified, and the job that made it. */
export interface Trained {
  readonly spec: JobSpec;
  /** Optimizer steps that made its weights. */
  readonly step: number;
  readonly checkpointHash: string;
}

/** Verifies every byte of the checkpoint in `dir`. @throws MaestroError `checkpoint-invalid` with what is wrong. */
export async function openTrained(dir: string): Promise<Trained> {
  const { valid, problems, step = 0, checkpointHash = '' } = await verifyCheckpoint(dir);
  if (!valid) throw new MaestroError('checkpoint-invalid', `checkpoint ${dir}: ${describeProblems(problems)}`);
  return { spec: await readJobSpec(dir), step, checkpointHash };
}
