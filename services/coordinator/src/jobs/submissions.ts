import { type Job, type JobSpec, MaestroError, newJobId } from '@maestro/protocol';
import type { Store } from '../books/store.ts';
import { PRECISION_CHOSEN } from './jobView.ts';

/** Options of {@link createSubmissions}. */
export interface SubmissionsOptions {
  readonly store: Pick<Store, 'reserveKey'>;
  /** Returns the job with this id if it is in memory; {@link SubmissionsOptions.recall} loads a retired one. */
  readonly find: (id: string) => Job | undefined;
  readonly recall: (id: string) => Promise<unknown>;
}

/** Result of a submit: the job, and false when its key was used before: the job is then the earlier one. */
export interface Submission {
  readonly job: Job;
  readonly isNew: boolean;
}

/** Creates the job of each submit: the same one for submits with the same idempotency key. */
export interface Submissions {
  /** Returns the job of a submit. @throws MaestroError `conflict` when the key was used for another job file, `redis-unavailable`. */
  submit(of: {
    readonly spec: JobSpec;
    /** Empty for none. */
    readonly idempotencyKey: string;
    /** Admits the job under a new id. */
    readonly create: (id: string) => Promise<Job>;
  }): Promise<Submission>;
}

/** Handles the submits to one coordinator. */
export function createSubmissions({ store, find, recall }: SubmissionsOptions): Submissions {
  /** Submits in progress, by job id. */
  const underWay = new Map<string, Promise<Job>>();
  /** Ids of one coordinator increase even within a millisecond. */
  let lastIdMs = 0;
  return {
    async submit({ spec, idempotencyKey, create }) {
      lastIdMs = Math.max(Date.now(), lastIdMs + 1);
      const own = newJobId({ nowMs: lastIdMs });
      // A key whose first submit was interrupted before it left a job is reused with the id that it got then.
      const id = idempotencyKey === '' ? own : await store.reserveKey(idempotencyKey, own);
      if (id !== own && find(id) === undefined) await recall(id);
      // No await may come between this check and the entry below, or two requests would both create the job.
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

function requireSameFile({ id, specJson, conditions }: Job, spec: JobSpec, key: string): void {
  if (specJson === JSON.stringify(spec)) return;
  // Its file has what `auto` has become since.
  const { precision } = JSON.parse(specJson) as JobSpec;
  const isChosen = spec.precision === 'auto' && specJson === JSON.stringify({ ...spec, precision });
  if (isChosen && conditions.some(({ type }) => type === PRECISION_CHOSEN)) return;
  throw new MaestroError(
    'conflict',
    `submit: the idempotency key ${key} was already used for ${id} with a different job file; use a new key`,
  );
}
