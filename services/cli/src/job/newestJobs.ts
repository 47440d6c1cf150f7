import type { JobClient } from '@maestro/client';
import type { Job, JobState } from '@maestro/protocol';

/** Jobs, newest first, and whether these are all. */
export interface NewestJobs {
  readonly jobs: readonly Job[];
  readonly areAll: boolean;
}

/** States of jobs that have workers: the most interesting when thousands wait. */
const WORKING: readonly JobState[] = ['starting', 'running', 'pausing'];

/** Lists the newest `limit` jobs, only those in `state` if given, and with them all that have workers. */
export async function newestJobs(
  client: Pick<JobClient, 'listJobs'>,
  { limit, state }: { readonly limit: number; readonly state?: JobState | undefined },
): Promise<NewestJobs> {
  const found = await client.listJobs({ limit: limit + 1, ...(state !== undefined && { state }) });
  const newest = found.slice(0, limit);
  const areAll = found.length <= limit;
  if (areAll || state !== undefined) return { jobs: newest, areAll };
  const working = (await Promise.all(WORKING.map((each) => client.listJobs({ limit, state: each })))).flat();
  const known = new Set(newest.map(({ id }) => id));
  const older = working.filter(({ id }) => !known.has(id)).sort((a, b) => (a.id < b.id ? 1 : -1));
  return { jobs: [...newest, ...older], areAll };
}
