import type { FloatRange } from '@maestro/kernels';
import type { StateVector } from '@maestro/optim';
import type { ComputeThread } from '../threads/computeThread.ts';
import { type SnapshotMemory, touchPages } from './snapshotMemory.ts';
import type { TrainerCalls } from './trainerHost.ts';
import type { FlatState, StateRange, TrainerReady } from './trainerMessages.ts';

/** A copy of all state, SharedArrayBuffer-backed; the next `snapshot` writes to the same buffers. */
export interface TrainerSnapshot extends SnapshotMemory {
  readonly step: number;
}

/** Parameters, moments and step of a trainer: put there, taken from there, as a whole or in parts. */
export interface StateAccess {
  /**
   * Sets parameters, the own moments (default zero) and step, and clears the tree. SharedArrayBuffer-backed arrays are not copied on the
   * way.
   */
  load(state: FlatState): Promise<void>;
  /**
   * From now on this replica keeps the moments of these elements alone (default: of all), and `apply` changes these alone; `share` and
   * `adopt` bring the parameters of all replicas together again. Moments of other elements are undefined, and take no memory until they are
   * written.
   */
  own(range: FloatRange): Promise<void>;
  /** Copies the own elements of a vector to `reduced`, for the collective to give to others. */
  share(vector: StateVector): Promise<void>;
  /** Copies what the collective has put into `reduced` outside of the own elements to the parameters. */
  adopt(): Promise<void>;
  /** Copies all of `reduced` to `values`, in the compute thread, so that the caller's does not stand still. */
  copyReduced(values: Float32Array): Promise<void>;
  /** Copies a range of a vector to `values`. */
  read(range: StateRange): Promise<void>;
  /** Copies `values` to a range of a vector; `setStep` says which step the whole then makes. */
  write(range: StateRange): Promise<void>;
  /** Says which step the state is of, and clears the tree. */
  setStep(step: number): Promise<void>;
  /** Copies the moments of a replica to memory of the caller, which must be SharedArrayBuffer-backed. */
  copyMoments(into: Omit<SnapshotMemory, 'parameters'> & { readonly replica: number }): Promise<void>;
  /**
   * Takes the memory of snapshots ahead of the first one, in the background and without holding any thread for more than a millisecond.
   * Without it the first snapshot takes many times as long as the next ones. Returns early when the signal is aborted.
   */
  prepareSnapshot(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Copies all state. The compute thread does nothing else meanwhile. */
  snapshot(): Promise<TrainerSnapshot>;
  /** The buffers that `snapshot` writes to, for those who fill them in otherwise: moments that come from other replicas. */
  snapshotBuffers(): SnapshotMemory;
}

/** The state of a compute thread; `reserve` makes the memory of snapshots, once. */
export function stateAccessOf(thread: ComputeThread<TrainerCalls, TrainerReady>, reserve: () => SnapshotMemory): StateAccess {
  return {
    load: (state) => thread.call('load', state),
    own: (range) => thread.call('own', range),
    share: (vector) => thread.call('share', vector),
    adopt: () => thread.call('adopt', undefined),
    copyReduced: (values) => thread.call('copyReduced', values),
    read: (range) => thread.call('read', range),
    write: (range) => thread.call('write', range),
    setStep: (step) => thread.call('setStep', step),
    async copyMoments(into) {
      await thread.call('snapshot', into);
    },
    prepareSnapshot: async ({ signal } = {}) => touchPages(reserve(), signal),
    async snapshot() {
      const kept = reserve();
      const { step } = await thread.call('snapshot', kept);
      return { ...kept, step };
    },
    snapshotBuffers: reserve,
  };
}
