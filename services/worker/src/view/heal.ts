import type { Collective } from '@maestro/collective';
import { reserveSnapshot } from '@maestro/engine';
import { stateVectors } from '@maestro/optim';
import type { View } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { Faults } from '../process/faults.ts';
import type { JobSession } from '../session/jobSession.ts';

interface HealOptions {
  readonly session: JobSession;
  readonly view: View;
  readonly self: string;
  readonly collective: Collective;
  readonly faults: Faults;
}

/**
 * Pulls the state of the view's first step from a member that has it: parameters and moments, checked by hash. The peer and this
 * member share no file; nothing of it touches Redis.
 * @throws MaestroError that names the peer; the trainer's state is unknown then.
 */
export async function heal(
  options: HealOptions & { readonly onProgress: () => void; readonly logger: Logger; readonly signal: AbortSignal },
): Promise<void> {
  const { session, view, self, collective, faults, onProgress, logger, signal } = options;
  const { jobId, generation, members, sources, startStep } = view;
  const member = members.find(({ id }) => id === sources[0])!;
  const { layout, spec } = session;
  const vectors = reserveSnapshot(layout, spec.optimizer);
  await faults.reach(startStep, 'heal');
  const { step, hash, bytes, seconds } = await collective.pullState({
    job: jobId,
    generation,
    member,
    self,
    into: stateVectors(spec.optimizer).map((name) => vectors[name]!),
    onProgress,
    signal,
  });
  signal.throwIfAborted();
  session.state = -1;
  await session.trainer.load({ ...vectors, step });
  session.hasFrozen = true;
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
      const { step, ...vectors } = await session.trainer.snapshot();
      return { step, vectors: stateVectors(session.spec.optimizer).map((name) => vectors[name]!) };
    },
  });
}
