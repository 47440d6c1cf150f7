import type { ComputeThread } from '../threads/computeThread.ts';
import type { OuterOptions } from './outerStep.ts';
import type { TrainerCalls } from './trainerHost.ts';
import type { OuterState, TrainerReady } from './trainerMessages.ts';

/** What replicas that train apart have in common: outer parameters and their momentum, in a trainer that was opened with replicas. */
export interface OuterAccess {
  /** Sets outer parameters and momentum. */
  loadOuter(state: OuterState): Promise<void>;
  /** Pushes outer parameters - parameters of a replica on the gradient tree, in the place of a gradient. */
  pushDelta(replica: number): Promise<void>;
  /**
   * One outer step on the sum of deltas in `reduced`; the first `held` replicas go on from the outer parameters, and keep their moments.
   */
  applyOuter(options: OuterOptions & { readonly held: number }): Promise<void>;
  /** Copies outer parameters and momentum to memory of the caller, which must be SharedArrayBuffer-backed. */
  copyOuter(into: Required<OuterState>): Promise<void>;
}

/** The outer state of a compute thread. */
export function outerAccessOf(thread: ComputeThread<TrainerCalls, TrainerReady>): OuterAccess {
  return {
    loadOuter: (state) => thread.call('loadOuter', state),
    pushDelta: (replica) => thread.call('pushDelta', replica),
    applyOuter: (outer) => thread.call('applyOuter', outer),
    copyOuter: (into) => thread.call('snapshotOuter', into),
  };
}
