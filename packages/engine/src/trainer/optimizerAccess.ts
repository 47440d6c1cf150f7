import type { StepOptions } from '@maestro/optim';
import type { ComputeThread } from '../threads/computeThread.ts';
import type { TrainerCalls } from './trainerHost.ts';
import type { ApplyResult, TrainerReady } from './trainerMessages.ts';

/** The optimiser's step of a trainer. */
export interface OptimizerAccess {
  /**
   * One step of a replica's optimiser (default 0) on `reduced`. `step` counts from 1 and rises with every call.
   *
   * @throws MaestroError `conflict` when these parameters already have that step.
   */
  apply(options: StepOptions & { readonly replica?: number }): Promise<ApplyResult>;
}

/** The optimiser's step of a compute thread. */
export function optimizerAccessOf(thread: ComputeThread<TrainerCalls, TrainerReady>): OptimizerAccess {
  return { apply: (options) => thread.call('apply', options) };
}
