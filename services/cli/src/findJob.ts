import type { JobClient } from '@maestro/client';
import { isMaestroError, MaestroError, nearest } from '@maestro/protocol';

/** Asks something about a job; one that is not there is told with the job that may have been meant, by its id or its name. */
export async function findJob<Result>(client: JobClient, id: string, ask: (id: string) => Promise<Result>): Promise<Result> {
  try {
    return await ask(id);
  } catch (error) {
    if (!isMaestroError(error, 'not-found') || !error.message.includes(`${id}: not found`)) throw error;
    const jobs = await client.listJobs();
    const named = jobs.find(({ name }) => name === id);
    const near =
      named?.id ??
      nearest(
        id,
        jobs.map((job) => job.id),
      );
    throw near === undefined ? error : withHint(error, near);
  }
}

/** Asks something about a worker, likewise. */
export async function findWorker<Result>(client: JobClient, name: string, ask: (name: string) => Promise<Result>): Promise<Result> {
  try {
    return await ask(name);
  } catch (error) {
    if (!isMaestroError(error, 'not-found')) throw error;
    const near = nearest(
      name,
      (await client.listWorkers()).map((worker) => worker.name),
    );
    throw near === undefined ? error : withHint(error, near);
  }
}

function withHint(error: MaestroError, near: string): MaestroError {
  return new MaestroError('not-found', `${error.message}; did you mean ${near}?`, { cause: error });
}
