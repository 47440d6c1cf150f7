import type { PlanMember } from '@maestro/collective';

/** Virtual ranks assigned to so many workers as evenly as can be, as a job's first view has them. */
export function evenMembers(workers: number, virtualRanks: number): PlanMember[] {
  const cut = (member: number): number => Math.floor((member * virtualRanks) / workers);
  return Array.from({ length: workers }, (_, member) => ({
    id: `worker-${String(member).padStart(4, '0')}`,
    firstRank: cut(member),
    ranks: cut(member + 1) - cut(member),
  }));
}
