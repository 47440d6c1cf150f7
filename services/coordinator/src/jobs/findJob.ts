import { type Job, MaestroError, nearest, printable } from '@maestro/protocol';

/** Refers to the newest job. */
const LAST = '@last';
/** A shorter part of an id counts as a mistake. */
const LEAST_PREFIX = 4;
/** Limits the jobs that an error lists. */
const MOST_LISTED = 10;
/** Number of newest jobs searched for near names; that takes milliseconds. */
const MOST_COMPARED = 200;

type Known = Pick<Job, 'id' | 'name' | 'state' | 'createdAt'>;

/**
 * Finds the job that a reference means: by id, by `@last` for the newest, by name, or by a prefix of its id, with or without `job-`. `jobs`
 * are in order of submission. @throws MaestroError `conflict` that lists the jobs when several match, `not-found`.
 */
export function findJob(reference: string, jobs: readonly Known[]): string {
  const byId = jobs.find(({ id }) => id === reference);
  if (byId !== undefined) return byId.id;
  if (reference === LAST) {
    const last = jobs.at(-1);
    if (last === undefined) throw new MaestroError('not-found', `job ${LAST}: not found; there are no jobs yet`);
    return last.id;
  }
  const named = jobs.filter(({ name }) => name === reference);
  const asked = printable(reference);
  if (named.length > 0) return only(named, `job ${asked}: ${named.length} jobs have this name`);
  const prefix = reference.startsWith('job-') ? reference : `job-${reference}`;
  const begun = prefix.length < 'job-'.length + LEAST_PREFIX ? [] : jobs.filter(({ id }) => id.startsWith(prefix));
  if (begun.length > 0) return only(begun, `job ${asked}: the ids of ${begun.length} jobs have this prefix`);
  const near = nearest(
    reference,
    jobs.slice(-MOST_COMPARED).flatMap(({ id, name }) => [id, name]),
  );
  const hint = near === undefined ? '' : `; did you mean ${printable(near)}?`;
  throw new MaestroError(
    'not-found',
    `job ${reference === '' ? '""' : asked}: not found; \`maestro jobs\` lists jobs; older ones need their full id${hint}`,
  );
}

function only(found: readonly Known[], what: string): string {
  if (found.length === 1) return found[0]!.id;
  const newest = found.toReversed().slice(0, MOST_LISTED);
  const lines = newest.map(({ id, name, state, createdAt }) => `${id} (${printable(name)}, ${state}, submitted ${createdAt})`);
  const more = found.length - newest.length;
  throw new MaestroError('conflict', `${what}; use an id: ${lines.join('; ')}${more > 0 ? `; and ${more} older ones` : ''}`, {
    details: { issues: lines },
  });
}
