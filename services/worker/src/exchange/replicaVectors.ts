import { flatTensors, type NamedTensor, type TrainingTensors } from '@maestro/checkpoint';
import type { FlatLayout } from '@maestro/mae';
import { sharedVector } from '../state/sharedVector.ts';

/** AdamW's moments of one replica, flat. */
export interface Moments {
  readonly firstMoments: Float32Array;
  readonly secondMoments: Float32Array;
}

/** Memory for the state of a job whose replicas train apart, at the end of a round, when all parameters are the outer ones. */
export interface ReplicaVectors {
  readonly outer: { readonly parameters: Float32Array; readonly momentum: Float32Array };
  /** Returns the memory of a replica's moments, allocated on first use. */
  moments(replica: number): Moments;
  /** Returns all of it as the tensors of a checkpoint; see REPLICAS_FILE. */
  tensors(): TrainingTensors;
}

/** Reserves memory for the state of `replicas` replicas, writable by the compute thread. */
export function openReplicaVectors(layout: FlatLayout, replicas: number): ReplicaVectors {
  const outer = { parameters: sharedVector(layout), momentum: sharedVector(layout) };
  const made = new Map<number, Moments>();
  const moments = (replica: number): Moments => {
    const found = made.get(replica) ?? { firstMoments: sharedVector(layout), secondMoments: sharedVector(layout) };
    made.set(replica, found);
    return found;
  };
  const named = (vector: Float32Array, nameOf: (parameter: string) => string): NamedTensor[] =>
    flatTensors(layout, vector).map((tensor) => ({ ...tensor, name: nameOf(tensor.name) }));
  return {
    outer,
    moments,
    tensors() {
      const first = moments(0);
      const others = Array.from({ length: replicas - 1 }, (_, i) => i + 1);
      return {
        parameters: flatTensors(layout, outer.parameters),
        firstMoments: flatTensors(layout, first.firstMoments),
        secondMoments: flatTensors(layout, first.secondMoments),
        replicas: [
          ...named(outer.momentum, (name) => `outer.${name}.momentum`),
          ...others.flatMap((replica) => [
            ...named(moments(replica).firstMoments, (name) => `replica${replica}.${name}.exp_avg`),
            ...named(moments(replica).secondMoments, (name) => `replica${replica}.${name}.exp_avg_sq`),
          ]),
        ],
      };
    },
  };
}
