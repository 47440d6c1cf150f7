import type { JobClient } from '@maestro/client';
import { isMaestroError, MaestroError, nearest } from '@maestro/protocol';

/** Explains how jobs can be named. */
export const JOB_HELP = 'job: its id, a unique prefix of it, its name, or @last for the newest';

/** Resolves a job reference and calls `ask` with its id, which stays the same job while others are submitted. */
export async function findJob<Result>(client: JobClient, reference: string, ask: (id: string) => Promise<Result>): Promise<Result> {
  return ask((await client.getJob(reference)).id);
}

/** Calls `ask` with a worker's name. */
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
