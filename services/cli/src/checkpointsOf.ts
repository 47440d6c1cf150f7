import { checkpointRoot } from '@maestro/checkpoint';
import { resolveLocation } from '@maestro/storage';

/**
 * Where a job's checkpoints are, by `MAESTRO_CHECKPOINTS` or else in the data folder; a location is taken as it stands. A job whose file names
 * another place is to be asked for by that.
 */
export function checkpointsOf(dataDir: string, job: string): string {
  if (!job.startsWith('job-')) return resolveLocation(job);
  return resolveLocation(checkpointRoot({ dataDir, jobId: job, location: process.env['MAESTRO_CHECKPOINTS'] }));
}
