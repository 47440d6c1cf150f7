import type { StepOptions } from '@maestro/optim';
import { MaestroError } from '@maestro/protocol';
import type { DeviceState } from '../deviceState.ts';
import type { ApplyResult } from '../trainerMessages.ts';
import type { TreeHost } from './gradientTreeHost.ts';
import type { HostMemory } from './hostMemory.ts';

/** The call that applies a gradient; see `OptimizerAccess` for what it means. */
export function optimizerCalls({ stateOf, slots }: HostMemory, tree: TreeHost, device: DeviceState | undefined) {
  return {
    apply({ replica = 0, ...options }: StepOptions & { readonly replica?: number }): ApplyResult {
      const state = stateOf(replica);
      const { lastStep } = state;
      if (!(options.step > lastStep)) {
        throw new MaestroError(
          'conflict',
          `apply: step ${options.step} is not after step ${lastStep}, which these parameters already have`,
        );
      }
      const started = performance.now();
      state.hasMoments = true;
      const kept = tree.takeKept();
      const sendSeconds = device?.apply(options, kept) ?? 0;
      if (device === undefined) state.optimizer.apply(options, kept === undefined ? undefined : slots[kept]);
      state.lastStep = options.step;
      return { seconds: (performance.now() - started) / 1000, sendSeconds };
    },
  };
}
