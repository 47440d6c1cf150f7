import { joinLocation, resolveLocation } from '@maestro/storage';

/**
 * Returns the root of a job's checkpoints: in the data folder, or below the location named by its file or else by the coordinator's
 * setting.
 */
export function checkpointRoot({
  dataDir,
  jobId,
  location,
}: {
  readonly dataDir: string;
  readonly jobId: string;
  /** A folder, or `s3://bucket/prefix`. */
  readonly location?: string | undefined;
}): string {
  return location === undefined ? joinLocation(dataDir, 'jobs', jobId, 'checkpoints') : joinLocation(resolveLocation(location), jobId);
}
