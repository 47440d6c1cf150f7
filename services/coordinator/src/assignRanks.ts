import { MaestroError, type ViewMember } from '@maestro/protocol';

/** What the coordinator knows of a worker that may join a job. */
export interface WorkerRef {
  readonly name: string;
  /** `name:uuid`, new at each process start. */
  readonly id: string;
  /** Where its peers reach its collective service. */
  readonly address: string;
}

/**
 * Deals the virtual ranks 0..virtualRanks-1 to the workers in order of name: contiguous ranges whose sizes differ by one at most.
 * Which worker gets which range never changes the numbers, so any rule will do; this one is easy to predict.
 */
export function assignRanks({
  workers,
  virtualRanks,
}: {
  readonly workers: readonly WorkerRef[];
  readonly virtualRanks: number;
}): ViewMember[] {
  if (workers.length < 1 || workers.length > virtualRanks) {
    throw new MaestroError('internal', `internal: assignRanks: expected 1..${virtualRanks} workers, found ${workers.length}`);
  }
  const sorted = [...workers].sort((a, b) => (a.name < b.name || (a.name === b.name && a.id < b.id) ? -1 : 1));
  const least = Math.floor(virtualRanks / sorted.length);
  const extra = virtualRanks % sorted.length;
  let firstRank = 0;
  return sorted.map(({ name, id, address }, index) => {
    const ranks = least + (index < extra ? 1 : 0);
    const member = { name, id, address, firstRank, ranks };
    firstRank += ranks;
    return member;
  });
}
