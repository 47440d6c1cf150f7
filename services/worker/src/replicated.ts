import type { Group } from '@maestro/collective';
import type { Trainer } from '@maestro/engine';
import type { Replication } from './trainLoop.ts';

/** What {@link createReplicated} works on. */
export interface ReplicatedOptions {
  readonly trainer: Trainer;
  readonly group: Group;
  readonly signal: AbortSignal;
}

/** Training with all moments on each member: every one applies the whole sum. Any of them can write a checkpoint at any time. */
export function createReplicated({ trainer, group, signal }: ReplicatedOptions): Replication {
  return {
    reducedRange: { first: 0, length: trainer.reduced.length },
    reduce: (options) => group.allReduce(options),
    isSaveWanted: async () => false,
    async apply({ adamW }) {
      signal.throwIfAborted();
      await trainer.apply(adamW);
    },
    save: async () => undefined,
  };
}
