import type { Collective, StateRangeRequest } from '@maestro/collective';
import { stateVectors } from '@maestro/optim';
import { type ElementRange, MaestroError, type View } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import type { Faults } from '../process/faults.ts';
import type { JobSession } from '../session/jobSession.ts';
import { batches, type MissingRange, planTransfer } from './planTransfer.ts';
import { openFloatPool } from './sharedVector.ts';

/** Elements per request: 64 MiB, so that neither side holds much more than the state itself. */
const BATCH_FLOATS = 1 << 24;

/** Options of {@link serveShards}. */
export interface ShardServiceOptions {
  readonly session: Pick<JobSession, 'spec' | 'layout' | 'trainer' | 'state' | 'shards' | 'snapshots' | 'hasFrozen'>;
  readonly view: View;
  readonly self: string;
  readonly collective: Collective;
  readonly faults: Faults;
}

/**
 * Brings this member's part to the state of the view's first step: all parameters and the moments of `chunk`; what it lacks is loaded from
 * its disk, or pulled from the holders. What the trainer has of that step stays valid throughout, so that others can pull it meanwhile.
 *
 * @throws MaestroError that names the peer, or `checkpoint-invalid` when data on disk is damaged.
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
}: ShardServiceOptions & {
  readonly chunk: ElementRange;
  readonly onProgress: () => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { layout, trainer, snapshots, spec } = session;
  const vectors = stateVectors(spec.optimizer);
  const { jobId: job, generation, startStep, holders, members } = view;
  const held = session.shards.filter(({ step }) => step === startStep);
  const stored = snapshots.offers().filter(({ step }) => step === startStep);
  const index = members.findIndex(({ id }) => id === self);
  const transfers = planTransfer({
    self,
    index,
    moments: vectors.length - 1,
    chunk,
    length: layout.trainable.length,
    frozen: session.hasFrozen ? 0 : layout.length - layout.trainable.length,
    holders,
    held,
    stored,
  });
  if (session.state !== startStep) session.state = -1;
  session.shards = held;
  const startedMs = performance.now();
  let bytes = 0;
  let loadedBytes = 0;
  const load = async (batch: readonly MissingRange[], into: readonly Float32Array[]): Promise<void> => {
    for (const [i, range] of batch.entries()) {
      await snapshots.read(startStep, range, into[i]!);
      loadedBytes += into[i]!.byteLength;
      onProgress();
    }
  };
  const pool = openFloatPool();
  for (const { holder, ranges } of transfers) {
    await faults.reach(startStep, 'heal');
    for (const batch of batches(ranges, BATCH_FLOATS)) {
      const into = batch.map(({ length }) => pool.take(length));
      if (holder.id === self) await load(batch, into);
      else bytes += (await collective.pullState({ job, generation, member: holder, self, ranges: batch, into, onProgress, signal })).bytes;
      signal.throwIfAborted();
      await Promise.all(batch.map(({ vector, ...range }, i) => trainer.write({ vector: vectors[vector]!, range, values: into[i]! })));
      into.forEach(pool.give);
    }
  }
  await trainer.setStep(startStep);
  session.hasFrozen = true;
  session.state = startStep;
  session.shards = [...held, { step: startStep, ...chunk, isWhole: true }];
  if (transfers.length === 0) return;
  const from = transfers.filter(({ holder }) => holder.id !== self).map(({ holder }) => holder.name);
  logger.info(
    { from, step: startStep, bytes, loadedBytes, seconds: (performance.now() - startedMs) / 1000 },
    'took over a part of the state',
  );
}

/**
 * Serves what this worker holds of the state of a view's first step, in memory or on disk, and its snapshots of later ones, until the
 * returned function is called.
 */
export function serveShards({ session, view, self, collective, faults }: ShardServiceOptions): () => void {
  const { jobId: job, generation, startStep } = view;
  const over = new AbortController();
  const pool = openFloatPool();
  const vectors = stateVectors(session.spec.optimizer);
  const { trainable } = session.layout;
  const isHeld = (vector: number, { first, length }: ElementRange): boolean =>
    (vector === 0 && first >= trainable.length && session.hasFrozen) ||
    session.shards.some(
      (shard) =>
        shard.step === startStep &&
        ((vector === 0 && shard.isWhole) || (shard.first <= first && first + length <= shard.first + shard.length)),
    );
  const readStart = async ({ vector, ...range }: StateRangeRequest, values: Float32Array): Promise<void> => {
    if (isHeld(vector, range)) await session.trainer.read({ vector: vectors[vector]!, range, values });
    else await session.snapshots.read(startStep, { vector, ...range }, values);
  };
  const stop = collective.serveState({
    job,
    generation,
    self,
    provide: async (ranges, askedStep) => {
      // A neighbour asks as soon as it has ended the step itself.
      if (askedStep > 0) await session.snapshots.settled(askedStep, over.signal);
      else await faults.reach(startStep, 'serve');
      const step = askedStep > 0 ? askedStep : startStep;
      const isHere = ({ vector, ...range }: StateRangeRequest): boolean =>
        vectors[vector] !== undefined && ((askedStep === 0 && isHeld(vector, range)) || session.snapshots.has(step, range));
      const missing = ranges.find((range) => !isHere(range));
      if (missing !== undefined || ranges.length === 0) {
        const asked = missing === undefined ? 'everything' : `elements from ${missing.first} on of vector ${missing.vector}`;
        throw new MaestroError('conflict', `serveShards: ${asked} of the state after step ${step} is not here`);
      }
      const values = ranges.map(({ length }) => pool.take(length));
      const read = (range: StateRangeRequest, i: number): Promise<void> =>
        askedStep > 0 ? session.snapshots.read(step, range, values[i]!) : readStart(range, values[i]!);
      await Promise.all(ranges.map(read));
      return { step, vectors: values, release: () => values.forEach(pool.give) };
    },
  });
  return () => {
    over.abort(new MaestroError('cancelled', 'the view is over'));
    stop();
  };
}
