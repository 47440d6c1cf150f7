import { readCheckpointState } from '@maestro/checkpoint';
import type { Dataset } from '@maestro/data';
import { isTraining } from '@maestro/protocol';
import type { RedisConnection } from '@maestro/redis';
import { type ContentTable, openContentTable } from './contentTable.ts';
import type { JobSessionOptions } from './jobSessionOptions.ts';

/** Opens the table of the job's first readings; a job that resumes from another one's checkpoint takes over that job's readings. */
export async function openJobContents({
  jobId,
  spec,
  name,
  dataset,
  redis,
  logger,
}: Pick<JobSessionOptions, 'jobId' | 'spec' | 'name' | 'logger'> & {
  readonly dataset: Dataset;
  readonly redis: RedisConnection;
}): Promise<ContentTable | undefined> {
  if (dataset.isFingerprintWhole) return undefined;
  const nameOf = (job: string): string => `${job}:${dataset.fingerprint.slice(0, 16)}`;
  const table = openContentTable({ redis, name: nameOf(jobId), reader: name });
  const { resumeFrom } = spec.checkpoint;
  if (resumeFrom !== undefined && isTraining(spec)) {
    const { job } = await readCheckpointState(resumeFrom).catch((error: unknown) => {
      logger.warn({ error }, 'what the checkpoint was trained on cannot be looked up');
      return { job: undefined };
    });
    if (typeof job === 'string') await table.inherit(nameOf(job), dataset.length);
  }
  return table;
}
