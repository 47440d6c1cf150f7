import { copyFloats, copyRange, type FloatRange } from '@maestro/kernels';
import type { StateVector } from '@maestro/optim';
import { assertInternal } from '@maestro/protocol';
import type { DeviceState } from '../deviceState.ts';
import type { FlatState, StateRange } from '../trainerMessages.ts';
import { fillVectors } from './fillVectors.ts';
import type { TreeHost } from './gradientTreeHost.ts';
import type { HostMemory } from './hostMemory.ts';

/** Calls that read and write a trainer's state; see `StateAccess` for what they mean. */
export function stateCalls(memory: HostMemory, tree: TreeHost, device: DeviceState | undefined) {
  const { names, reduced, vector, stateOf } = memory;
  return {
    load({ parameters, firstMoments, secondMoments, step, replica = 0 }: FlatState): void {
      const state = stateOf(replica);
      const isNew = !state.hasMoments && firstMoments === undefined && secondMoments === undefined;
      const targets = isNew ? { parameters: state.vectors.parameters } : state.vectors;
      fillVectors({ parameters, firstMoments, secondMoments }, targets, memory.own);
      state.hasMoments = !isNew;
      for (const name of names) device?.wroteHost(name);
      state.lastStep = step;
      tree.calls.clearTree();
    },
    own(range: FloatRange): void {
      assertInternal(device === undefined || range.length === reduced.length, 'own: state on a device is not sharded');
      memory.ownRange(range);
    },
    share(name: StateVector): void {
      device?.toHost(name);
      copyRange(reduced, vector(name), memory.own);
    },
    adopt(_: undefined): void {
      const { first, length } = memory.own;
      const end = first + length;
      copyRange(vector('parameters'), reduced, { first: 0, length: first });
      copyRange(vector('parameters'), reduced, { first: end, length: reduced.length - end });
    },
    copyReduced(values: Float32Array): void {
      copyFloats(values, reduced);
    },
    read({ vector: name, range, values }: StateRange): void {
      device?.toHost(name);
      copyRange(values, vector(name), range);
    },
    write({ vector: name, range, values }: StateRange): void {
      device?.toHost(name);
      copyRange(vector(name), values, range);
      stateOf(0).hasMoments = true;
      device?.wroteHost(name);
    },
    setStep(step: number): void {
      stateOf(0).lastStep = step;
      tree.calls.clearTree();
    },
    snapshot({ replica = 0, ...into }: Partial<Omit<FlatState, 'step'>>): { readonly step: number } {
      const { vectors, lastStep } = stateOf(replica);
      for (const name of names) {
        if (into[name] === undefined) continue;
        device?.toHost(name);
        copyFloats(into[name], vectors[name]!);
      }
      return { step: lastStep };
    },
  };
}
