import type { RoundTimes } from '@maestro/collective';
import type { GradientTree, OptimizerAccess } from '@maestro/engine';
import type { Faults } from '../process/faults.ts';
import type { Exchange } from './exchange.ts';
import type { StagedSum } from './stagedSum.ts';

/** Options of {@link createReplicated}. */
export interface ReplicatedOptions {
  readonly trainer: GradientTree & OptimizerAccess;
  readonly sum: StagedSum;
  /** Called with the times of a round with the peers. */
  readonly onRound: (times: RoundTimes) => void;
  readonly faults: Faults;
  readonly signal: AbortSignal;
}

/** Training with all moments on each member: every one applies the whole sum. Any of them can write a checkpoint at any time. */
export function createReplicated({ trainer, sum, onRound, faults, signal }: ReplicatedOptions): Exchange {
  let step = 0;
  return {
    reducedRange: { first: 0, length: trainer.reduced.length },
    begin(next) {
      step = next;
    },
    offer: (partial) => trainer.takePartial(partial),
    ...(sum.early > 0 && { staged: { early: sum.early, offer: (stage) => sum.offer(step, stage) } }),
    async finish(scalars) {
      const [total] = await Promise.all([sum.finish({ step, scalars }), faults.reach(step, 'all-gather')]);
      onRound(sum.times);
      return total;
    },
    wantsSave: async () => false,
    async apply({ update }) {
      signal.throwIfAborted();
      await trainer.apply(update);
    },
    save: async () => undefined,
  };
}

/**
 * Training without peers: the sum over this member's virtual ranks is the whole sum, and no gradient is copied. Same parameters as with an
 * exchange, and the same norm; with state on a device that has float32 precision.
 */
export function createAlone({ trainer, faults, signal }: Omit<ReplicatedOptions, 'sum' | 'onRound'>): Exchange {
  let step = 0;
  return {
    reducedRange: { first: 0, length: trainer.reduced.length },
    begin(next) {
      step = next;
    },
    // The subtree is the whole sum and stays in the trainer.
    offer: async () => undefined,
    async finish(scalars) {
      signal.throwIfAborted();
      const [{ sumSquares }] = await Promise.all([trainer.keepReduced(), faults.reach(step, 'all-gather')]);
      return { scalars, sumSquares, blockSumSquares: Float64Array.of(sumSquares), finite: Number.isFinite(sumSquares) };
    },
    wantsSave: async () => false,
    async apply({ update }) {
      signal.throwIfAborted();
      await trainer.apply(update);
    },
    save: async () => undefined,
  };
}
