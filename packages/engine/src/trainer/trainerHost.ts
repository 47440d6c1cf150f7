import { openGradients } from '../gradients/openGradients.ts';
import type { ComputeHost } from '../threads/serveCompute.ts';
import { openTreeHost } from './host/gradientTreeHost.ts';
import { openHostMemory } from './host/hostMemory.ts';
import { optimizerCalls } from './host/optimizerHost.ts';
import { outerCalls } from './host/outerHost.ts';
import { stateCalls } from './host/stateHost.ts';
import { openStepLoops } from './host/stepLoops.ts';
import type { TrainerHostOptions, TrainerReady } from './trainerMessages.ts';

/** The calls of the trainer's compute thread; see `Trainer` for what they mean. */
export type TrainerCalls = Awaited<ReturnType<typeof openTrainerHost>>['calls'];

/**
 * The compute thread's side of a trainer: parameters, moments and the gradient tree in memory of its own, and a part for each thing to do.
 */
export async function openTrainerHost(options: TrainerHostOptions) {
  const loops = openStepLoops(options);
  const memory = openHostMemory(options, loops);
  const { states, slots, reduced } = memory;
  const {
    slots: gradients,
    device,
    ready,
  } = await openGradients(options, { states: states.map(({ vectors }) => vectors), slots, reduced, loops });
  const tree = openTreeHost(memory, { gradients, device, loops, sums: options.sums, stages: options.stages });
  const calls = {
    ...tree.calls,
    ...stateCalls(memory, tree, device),
    ...optimizerCalls(memory, tree, device),
    ...outerCalls(memory, tree),
  };
  return { ready: ready(), calls, close: () => gradients.close() } satisfies ComputeHost<unknown, TrainerReady>;
}
