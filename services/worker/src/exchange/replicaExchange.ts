import { type Group, type LocalStep, maxPartials, treeSubtrees } from '@maestro/collective';
import { dilocoOf, MaestroError, ranksPerUnit, type ViewMember } from '@maestro/protocol';
import type { JobSession } from '../session/jobSession.ts';
import { SCALARS_PER_RANK } from '../step/stepScalars.ts';
import { allJoined, type JoinOptions } from './gradientGroups.ts';

/** Replicas `first .. first + held - 1`. */
export interface ReplicaRange {
  readonly first: number;
  readonly held: number;
}

/** Exchange between members whose replicas train apart: scalars in every step, the sum of deltas in an outer one. */
export interface ReplicaExchange {
  /** Over the virtual ranks; its vector has one element, which is never read. */
  readonly scalars: Group;
  /** Over the replicas: from the trainer's partials to `reduced`. */
  readonly deltas: Group;
}

/** Returns the replicas of a member. */
export function replicasOf(
  { spec }: Pick<JobSession, 'spec'>,
  { firstRank, ranks }: Pick<ViewMember, 'firstRank' | 'ranks'>,
): ReplicaRange {
  const each = ranksPerUnit(spec);
  const range = { first: firstRank / each, held: ranks / each };
  if (!Number.isInteger(range.first) || !Number.isInteger(range.held)) {
    const message = `virtual ranks ${firstRank}..${firstRank + ranks - 1} are no whole replicas of ${each}`;
    throw new MaestroError('protocol-violation', `view: ${message}`);
  }
  return range;
}

/**
 * Joins both groups of a view. Each can end separately; the caller closes and aborts both.
 * @throws the error of `Collective.join`, after closing what was joined.
 */
export async function joinReplicas({ session, view, self, collective, joinTimeoutMs, signal }: JoinOptions): Promise<ReplicaExchange> {
  const { jobId: job, spec, trainer, schedule } = session;
  const { generation, members } = view;
  const common = { generation, self, joinTimeoutMs, signal };
  const replicas = members.map((member) => {
    const { first, held } = replicasOf(session, member);
    return { id: member.id, address: member.address, firstRank: first, ranks: held };
  });
  const nothing = new Float32Array(1);
  const joining = [
    collective.join({
      ...common,
      job,
      members,
      partials: Array.from({ length: maxPartials(schedule.virtualRanks) }, () => nothing),
      reduced: new Float32Array(1),
      scalarsPerRank: SCALARS_PER_RANK,
    }),
    collective.join({
      ...common,
      job: `${job}/replicas`,
      members: replicas,
      partials: trainer.partials.map(({ parts }) => parts.map(({ floats }) => floats)),
      reduced: trainer.reduced.parts.map(({ floats }) => floats),
      allGather: spec.sync.allGather,
    }),
  ];
  const [scalars, deltas] = (await allJoined(joining)) as [Group, Group];
  return { scalars, deltas };
}

/** Returns the order in which the gradients of a replica's virtual ranks are added: the fixed tree over only these. */
export function replicaProgram({ spec }: Pick<JobSession, 'spec'>, replica: number): LocalStep[] {
  const each = ranksPerUnit(spec);
  return treeSubtrees(0, each, each).steps.flatMap((step): LocalStep[] => {
    if (step.op === 'take') return [];
    return step.op === 'leaf' ? [{ ...step, rank: replica * each + step.rank }] : [step];
  });
}

/** Returns the order in which the deltas of a member's replicas are added, of `dilocoOf(spec).replicas`. */
export function deltaProgram({ spec }: Pick<JobSession, 'spec'>, { first, held }: ReplicaRange): readonly LocalStep[] {
  return treeSubtrees(first, held, dilocoOf(spec)!.replicas).steps;
}
