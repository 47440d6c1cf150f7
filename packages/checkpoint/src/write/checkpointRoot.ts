import { joinLocation, resolveLocation } from '@maestro/storage';

/** Where a job's checkpoints are: in the data folder, or below the location that its file, or else the coordinator's setting, names. */
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
