import { copyFloats } from '@maestro/kernels';
import { applyOuterStep, type OuterOptions, subtractFloats } from '../outerStep.ts';
import type { OuterState } from '../trainerMessages.ts';
import { fillVectors } from './fillVectors.ts';
import type { TreeHost } from './gradientTreeHost.ts';
import type { HostMemory } from './hostMemory.ts';

/** Calls on what replicas that train apart have in common; see `OuterAccess` for what they mean. */
export function outerCalls(memory: HostMemory, tree: TreeHost) {
  const { reduced, vector, stateOf } = memory;
  return {
    loadOuter({ parameters, momentum }: OuterState): void {
      const targets = { parameters: vector('outerParameters'), momentum: vector('outerMomentum') };
      fillVectors({ parameters, momentum }, targets, memory.own);
    },
    pushDelta(replica: number): void {
      tree.push('pushDelta', (slot) => subtractFloats(slot, vector('outerParameters'), stateOf(replica).vectors.parameters));
    },
    applyOuter({ held, ...outer }: OuterOptions & { readonly held: number }): void {
      const parameters = vector('outerParameters');
      applyOuterStep({ parameters, momentum: vector('outerMomentum'), deltas: reduced }, outer);
      for (let replica = 0; replica < held; replica++) copyFloats(stateOf(replica).vectors.parameters, parameters);
    },
    snapshotOuter(into: Required<OuterState>): void {
      copyFloats(into.parameters, vector('outerParameters'));
      copyFloats(into.momentum, vector('outerMomentum'));
    },
  };
}
