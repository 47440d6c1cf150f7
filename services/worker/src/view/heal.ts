import type { Collective } from '@maestro/collective';
import type { View } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { Faults } from '../process/faults.ts';
import type { JobSession } from '../session/jobSession.ts';
import { sharedVector } from '../state/sharedVector.ts';

interface HealOptions {
  readonly session: JobSession;
  readonly view: View;
  readonly self: string;
  readonly collective: Collective;
  readonly faults: Faults;
}

/**
 * Pulls the state of the view's first step from a member that has it: parameters and both moments, checked by hash. The peer and this
 * member share no file; Redis is not involved.
 * @throws MaestroError that names the peer; the trainer's state is undefined then.
 */
export async function heal(
  options: HealOptions & { readonly onProgress: () => void; readonly logger: Logger; readonly signal: AbortSignal },
): Promise<void> {
  const { session, view, self, collective, faults, onProgress, logger, signal } = options;
  const { jobId, generation, members, sources, startStep } = view;
  const member = members.find(({ id }) => id === sources[0])!;
  const vectors = [0, 1, 2].map(() => sharedVector(session.layout));
  await faults.reach(startStep, 'heal');
  const { step, hash, bytes, seconds } = await collective.pullState({
    job: jobId,
    generation,
    member,
    self,
    into: vectors,
    onProgress,
    signal,
  });
  const [parameters, firstMoments, secondMoments] = vectors as [Float32Array, Float32Array, Float32Array];
  signal.throwIfAborted();
  session.state = -1;
  await session.trainer.load({ parameters, firstMoments, secondMoments, step });
  session.state = step;
  logger.info({ from: member.name, step, hash, bytes, seconds }, 'healed');
}

/** Serves this member's state to the members of the view that lack it, until the returned function is called. */
export function serveTo({ session, view, self, collective, faults }: HealOptions): () => void {
  const { jobId: job, generation, startStep } = view;
  return collective.serveState({
    job,
    generation,
    self,
    provide: async () => {
      await faults.reach(startStep, 'serve');
      // The snapshot's memory may belong to an unfinished checkpoint.
      await session.checkpointer.idle();
      const { step, parameters, firstMoments, secondMoments } = await session.trainer.snapshot();
      return { step, vectors: [parameters, firstMoments, secondMoments] };
    },
  });
}
