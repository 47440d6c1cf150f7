import { flatTensors, joinMoments, type NamedTensor, type TrainingTensors } from '@maestro/checkpoint';
import { reserveSnapshot, type SnapshotMemory } from '@maestro/engine';
import type { OptimizerSettings } from '@maestro/optim';
import type { ParameterLayout } from '@maestro/tensors';
import { sharedVector } from '../state/sharedVector.ts';

/** The moments of one replica, flat. */
export type Moments = Omit<SnapshotMemory, 'parameters'>;

/** Memory for the state of a job whose replicas train apart, at the end of a round, when all parameters are the outer ones. */
export interface ReplicaVectors {
  readonly outer: { readonly parameters: Float32Array; readonly momentum: Float32Array };
  /** Returns the memory of a replica's moments, allocated on first use. */
  moments(replica: number): Moments;
  /** Returns all of it as the tensors of a checkpoint; see REPLICAS_FILE. */
  tensors(): TrainingTensors;
}

/** Reserves memory for the state of `replicas` replicas, which the compute thread can write. */
export function openReplicaVectors(layout: ParameterLayout, optimizer: OptimizerSettings, replicas: number): ReplicaVectors {
  const { trainable } = layout;
  const outer = { parameters: sharedVector(layout), momentum: sharedVector(trainable) };
  const made = new Map<number, Moments>();
  const moments = (replica: number): Moments => {
    const known = made.get(replica);
    if (known !== undefined) return known;
    // The parameters are the outer ones; memory that is not written is not taken.
    const { parameters: _outer, ...fresh } = reserveSnapshot(layout, optimizer);
    made.set(replica, fresh);
    return fresh;
  };
  const named = (replica: number) => {
    const { firstMoments, secondMoments } = moments(replica);
    return {
      firstMoments: flatTensors(trainable, firstMoments),
      ...(secondMoments && { secondMoments: flatTensors(trainable, secondMoments) }),
    };
  };
  return {
    outer,
    moments,
    tensors() {
      const others = Array.from({ length: replicas - 1 }, (_, i) => i + 1);
      return {
        parameters: flatTensors(layout, outer.parameters),
        ...named(0),
        replicas: [
          ...flatTensors(trainable, outer.momentum).map((tensor): NamedTensor => ({ ...tensor, name: `outer.${tensor.name}.momentum` })),
          ...others.flatMap((replica) => joinMoments(named(replica), `replica${replica}.`)),
        ],
      };
    },
  };
}
