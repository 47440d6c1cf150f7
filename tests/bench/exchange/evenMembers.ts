import type { PlanMember } from '@maestro/collective';

/** Assigns virtual ranks to this many workers as evenly as possible, like a job's first view. */
export function evenMembers(workers: number, virtualRanks: number): PlanMember[] {
  const cut = (member: number): number => Math.floor((member * virtualRanks) / workers);
  return Array.from({ length: workers }, (_, member) => ({
    id: `worker-${String(member).padStart(4, '0')}`,
    firstRank: cut(member),
    ranks: cut(member + 1) - cut(member),
  }));
}
