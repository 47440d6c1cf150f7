import type { JobClient } from '@maestro/client';
import type { Job, JobState } from '@maestro/protocol';

/** Jobs, newest first, and whether there are others. */
export interface NewestJobs {
  readonly jobs: readonly Job[];
  readonly areAll: boolean;
}

/** What has workers. Behind thousands that wait, it is what a person looks for. */
const WORKING: readonly JobState[] = ['starting', 'running', 'pausing'];

/** The newest `limit` jobs, of one state where it is given, and with them all that have workers. */
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
