import type { Group, RoundTimes } from '@maestro/collective';
import type { Trainer } from '@maestro/engine';
import type { Faults } from './faults.ts';
import type { Replication } from './trainLoop.ts';

/** What {@link createReplicated} works on. */
export interface ReplicatedOptions {
  readonly trainer: Trainer;
  readonly group: Group;
  /** Told how long a round with the peers took. */
  readonly onRound: (times: RoundTimes) => void;
  readonly faults: Faults;
  readonly signal: AbortSignal;
}

/** Training with all moments on each member: every one applies the whole sum. Any of them can write a checkpoint at any time. */
export function createReplicated({ trainer, group, onRound, faults, signal }: ReplicatedOptions): Replication {
  return {
    reducedRange: { first: 0, length: trainer.reduced.length },
    async reduce(options) {
      const [total] = await Promise.all([group.allReduce(options), faults.reach(options.step, 'all-gather')]);
      onRound(group.times);
      return total;
    },
    isSaveWanted: async () => false,
    async apply({ adamW }) {
      signal.throwIfAborted();
      await trainer.apply(adamW);
    },
    save: async () => undefined,
  };
}
