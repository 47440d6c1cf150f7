/** What has an id. */
interface Identified {
  readonly id: string;
}

const indices = new WeakMap<readonly Identified[], ReadonlyMap<string, Identified>>();

/**
 * Returns the workers of a list by their ids. A list never changes, so it is indexed once: each event of a job asks for all of its members,
 * which for 256 of them would be 65,536 comparisons.
 */
export function workersById<Worker extends Identified>(workers: readonly Worker[]): ReadonlyMap<string, Worker> {
  const known = indices.get(workers) as ReadonlyMap<string, Worker> | undefined;
  if (known !== undefined) return known;
  const index = new Map(workers.map((worker) => [worker.id, worker]));
  indices.set(workers, index);
  return index;
}
