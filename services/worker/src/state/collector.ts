import type { Group } from '@maestro/collective';
import type { StateAccess } from '@maestro/engine';
import type { StateVector } from '@maestro/optim';
import { MaestroError } from '@maestro/protocol';

/** Brings the moments of all owners to the member that writes checkpoints, and provides them to its checkpointer. */
export interface Collector extends Pick<StateAccess, 'snapshot' | 'prepareSnapshot'> {
  /**
   * Called at the end of a step by all members at once: the first member receives a copy of the whole state. Training is blocked while it
   * is sent, and only the copy needs memory.
   */
  collect(options: { readonly group: Group; readonly step: number; readonly isWriter: boolean }): Promise<void>;
}

/** Options of {@link createCollector}. */
export interface CollectorOptions {
  readonly trainer: StateAccess;
  /** The optimiser's moments. */
  readonly moments: readonly Exclude<StateVector, 'parameters'>[];
  /** The step of this member's state. */
  readonly step: () => number;
  /** Returns whether this member holds all moments itself. */
  readonly isAlone: () => boolean;
}

/** The first member of a view, which writes its checkpoints. */
const WRITER = 0;

/** Opens a collector. */
export function createCollector({ trainer, moments, step: stateStep, isAlone }: CollectorOptions): Collector {
  let collected = -1;
  return {
    prepareSnapshot: (options) => trainer.prepareSnapshot(options),
    async snapshot() {
      if (isAlone()) return trainer.snapshot();
      if (collected !== stateStep()) {
        throw new MaestroError('conflict', `the moments after step ${stateStep()} are sharded over several workers and were not collected`);
      }
      return { ...trainer.snapshotBuffers(), step: collected };
    },
    async collect({ group, step, isWriter }) {
      // Not decided by ownership: a vector of one block has a single owner, not necessarily the writer, and all members must act alike.
      if (group.chunks.length === 1) return;
      const buffers = isWriter ? trainer.snapshotBuffers() : undefined;
      collected = -1;
      for (const vector of moments) {
        await trainer.share(vector);
        await group.gather({ step, root: WRITER });
        if (buffers !== undefined) await trainer.copyReduced(buffers[vector]!);
      }
      if (buffers === undefined) return;
      const values = buffers.parameters;
      await trainer.read({ vector: 'parameters', range: { first: 0, length: values.length }, values });
      collected = step;
    },
  };
}
