import type { Collective } from '@maestro/collective';
import type { StateVector } from '@maestro/engine';
import { type ElementRange, MaestroError, type View } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { Faults } from './faults.ts';
import type { JobSession } from './jobSession.ts';
import { batches, planTransfer } from './planTransfer.ts';

/** Elements that are asked for at once: 64 MiB, so that neither side holds much more than the state itself. */
const BATCH_FLOATS = 1 << 24;
const VECTORS: readonly [StateVector, StateVector, StateVector] = ['parameters', 'firstMoments', 'secondMoments'];

interface ShardTransferOptions {
  readonly session: Pick<JobSession, 'layout' | 'trainer' | 'state' | 'shards'>;
  readonly view: View;
  readonly self: string;
  readonly collective: Collective;
  readonly faults: Faults;
}

/**
 * Brings this member's part to the state of the view's first step: all parameters and the moments of `chunk`, what it lacks pulled from those
 * who hold it. What the trainer has of that step stays good throughout, so that others can pull it meanwhile.
 *
 * @throws MaestroError that names the peer.
 */
export async function pullShards({
  session,
  view,
  self,
  collective,
  faults,
  chunk,
  onProgress,
  logger,
  signal,
}: ShardTransferOptions & {
  readonly chunk: ElementRange;
  readonly onProgress: () => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { layout, trainer } = session;
  const { jobId: job, generation, startStep, holders, members } = view;
  const held = session.shards.filter(({ step }) => step === startStep);
  const index = members.findIndex(({ id }) => id === self);
  const transfers = planTransfer({ self, index, chunk, length: layout.length, holders, held });
  if (session.state !== startStep) session.state = -1;
  session.shards = held;
  const startedMs = performance.now();
  let bytes = 0;
  for (const { holder, ranges } of transfers) {
    await faults.reach(startStep, 'heal');
    for (const batch of batches(ranges, BATCH_FLOATS)) {
      const into = batch.map(({ length }) => sharedFloats(length));
      const pulled = await collective.pullState({ job, generation, member: holder, self, ranges: batch, into, onProgress, signal });
      signal.throwIfAborted();
      bytes += pulled.bytes;
      await Promise.all(batch.map(({ vector, ...range }, i) => trainer.write({ vector: VECTORS[vector], range, values: into[i]! })));
    }
  }
  await trainer.setStep(startStep);
  session.state = startStep;
  session.shards = [...held, { step: startStep, ...chunk, isWhole: true }];
  if (transfers.length === 0) return;
  const from = transfers.map(({ holder }) => holder.name);
  logger.info({ from, step: startStep, bytes, seconds: (performance.now() - startedMs) / 1000 }, 'took over a part of the state');
}

/** Serves what this worker holds of the state of a view's first step, until the returned function is called. */
export function serveShards({ session, view, self, collective, faults }: ShardTransferOptions): () => void {
  const { jobId: job, generation, startStep } = view;
  const isHeld = (vector: number, { first, length }: ElementRange): boolean =>
    session.shards.some(
      (shard) =>
        shard.step === startStep &&
        ((vector === 0 && shard.isWhole) || (shard.first <= first && first + length <= shard.first + shard.length)),
    );
  return collective.serveState({
    job,
    generation,
    self,
    provide: async (ranges) => {
      await faults.reach(startStep, 'serve');
      const missing = ranges.find(({ vector, ...range }) => VECTORS[vector] === undefined || !isHeld(vector, range));
      if (missing !== undefined || ranges.length === 0) {
        const asked = missing === undefined ? 'everything' : `elements from ${missing.first} on of vector ${missing.vector}`;
        throw new MaestroError('conflict', `serveShards: ${asked} of the state after step ${startStep} is not here`);
      }
      const vectors = ranges.map(({ length }) => sharedFloats(length));
      await Promise.all(
        ranges.map(({ vector, ...range }, i) => session.trainer.read({ vector: VECTORS[vector]!, range, values: vectors[i]! })),
      );
      return { step: startStep, vectors };
    },
  });
}

function sharedFloats(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}
