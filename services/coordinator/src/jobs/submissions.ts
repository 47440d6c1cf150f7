import { type Job, type JobSpec, MaestroError, newJobId } from '@maestro/protocol';
import type { Store } from '../books/store.ts';

/** What submits need of their coordinator. */
export interface SubmissionsOptions {
  readonly store: Pick<Store, 'reserveKey'>;
  /** The job with this id, once it is there; {@link SubmissionsOptions.recall} puts a retired one there. */
  readonly find: (id: string) => Job | undefined;
  readonly recall: (id: string) => Promise<unknown>;
}

/** One submit: the job that came of it, and false when its key was used before: the job is then the one of that time. */
export interface Submission {
  readonly job: Job;
  readonly isNew: boolean;
}

/** Gives each submit its job: the same one to submits with the same idempotency key. */
export interface Submissions {
  /** Gives the job of a submit. @throws MaestroError `conflict` when the key was used for another job file, `redis-unavailable`. */
  submit(of: {
    readonly spec: JobSpec;
    /** Empty for none. */
    readonly idempotencyKey: string;
    /** Takes the job on under a new id. */
    readonly create: (id: string) => Promise<Job>;
  }): Promise<Submission>;
}

/** Submits to one coordinator. */
export function createSubmissions({ store, find, recall }: SubmissionsOptions): Submissions {
  /** Submits under way, by job id. */
  const underWay = new Map<string, Promise<Job>>();
  /** Ids of one coordinator rise even within a millisecond. */
  let lastIdMs = 0;
  return {
    async submit({ spec, idempotencyKey, create }) {
      lastIdMs = Math.max(Date.now(), lastIdMs + 1);
      const own = newJobId({ nowMs: lastIdMs });
      // A key whose first submit was cut off before it left a job is taken up with the id that it got then.
      const id = idempotencyKey === '' ? own : await store.reserveKey(idempotencyKey, own);
      if (id !== own && find(id) === undefined) await recall(id);
      // No turn of the event loop lies between this look and the entry below, or two requests would both create the job.
      const beginning = underWay.get(id);
      const earlier = find(id) ?? (beginning === undefined ? undefined : await beginning);
      if (earlier !== undefined) {
        requireSameFile(earlier, spec, idempotencyKey);
        return { job: find(id) ?? earlier, isNew: false };
      }
      const created = create(id).finally(() => underWay.delete(id));
      underWay.set(id, created);
      return { job: await created, isNew: true };
    },
  };
}

function requireSameFile({ id, specJson }: Job, spec: JobSpec, key: string): void {
  if (specJson === JSON.stringify(spec)) return;
  throw new MaestroError(
    'conflict',
    `submit: the idempotency key ${key} was already used for ${id} with a different job file; use a new key`,
  );
}
