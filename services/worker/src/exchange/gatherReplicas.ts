import type { TrainingTensors } from '@maestro/checkpoint';
import type { Collective } from '@maestro/collective';
import { MaestroError, type View } from '@maestro/protocol';
import type { Faults } from '../process/faults.ts';
import type { JobSession } from '../session/jobSession.ts';
import { type ReplicaRange, replicasOf } from './replicaExchange.ts';
import type { ReplicaVectors } from './replicaVectors.ts';

interface GatherOptions {
  readonly session: JobSession;
  readonly view: View;
  readonly self: string;
  readonly collective: Collective;
  readonly faults: Faults;
  readonly vectors: ReplicaVectors;
  /** This member's replicas. */
  readonly own: ReplicaRange;
}

const servedJob = ({ jobId, generation }: View): string => `${jobId}/replicas/${generation}`;

/**
 * Brings the moments of all replicas to the first member of a view, at the end of a round of `step` steps: pulls them from the members that
 * have them and checks their hash. The vectors must not be in use by an unfinished checkpoint.
 * @throws MaestroError that names the peer.
 */
export async function gatherReplicas(
  options: GatherOptions & { readonly step: number; readonly signal: AbortSignal },
): Promise<TrainingTensors> {
  const { session, view, self, collective, vectors, step, signal } = options;
  await session.trainer.copyOuter(vectors.outer);
  await copyOwnMoments(options);
  for (const member of view.members) {
    if (member.id === self) continue;
    const { first, held } = replicasOf(session, member);
    const into = range(first, held).flatMap((replica) => Object.values(vectors.moments(replica)) as Float32Array[]);
    const pulled = await collective.pullState({ job: servedJob(view), generation: step, member, self, into, signal });
    if (pulled.step !== step)
      throw new MaestroError('protocol-violation', `${member.name} gave moments of step ${pulled.step}, due is ${step}`);
  }
  return vectors.tensors();
}

/** Serves the moments of this member's replicas to the first member, until the returned function is called. */
export async function serveReplicas(options: GatherOptions & { readonly step: number }): Promise<() => void> {
  const { view, self, collective, faults, vectors, own, step } = options;
  await copyOwnMoments(options);
  return collective.serveState({
    job: servedJob(view),
    generation: step,
    self,
    provide: async () => {
      await faults.reach(step, 'serve');
      return { step, vectors: range(own.first, own.held).flatMap((replica) => Object.values(vectors.moments(replica)) as Float32Array[]) };
    },
  });
}

async function copyOwnMoments({ session, vectors, own }: GatherOptions): Promise<void> {
  for (let replica = 0; replica < own.held; replica++) {
    await session.trainer.copyMoments({ replica, ...vectors.moments(own.first + replica) });
  }
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}
