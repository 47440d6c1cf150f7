import { type FloatRange, openSegments, type SegmentedFloats } from '@maestro/kernels';
import { OptimizerStep, type StateVector, stateVectors, stepScratch } from '@maestro/optim';
import { assertInternal } from '@maestro/protocol';
import type { StateVectors, TrainerHostOptions } from '../trainerMessages.ts';
import type { StepLoops } from './stepLoops.ts';

/** The state of one replica: of the only one, or of one of several that train apart. */
export interface ReplicaState {
  readonly vectors: StateVectors;
  /** Its optimiser's step over what is its own. */
  optimizer: OptimizerStep;
  /** Optimizer steps that made its parameters. */
  lastStep: number;
  /** False while no moment has been written: all are zero then, and take no memory. */
  hasMoments: boolean;
}

/** The memory of a trainer in its compute thread, which ONNX Runtime reads and writes in place. */
export interface HostMemory {
  /** The names of a replica's vectors. */
  readonly names: readonly StateVector[];
  readonly states: readonly ReplicaState[];
  /** Of the gradient tree. */
  readonly slots: readonly SegmentedFloats[];
  /** The shared gradient vector that the collective writes and the optimiser reads. */
  readonly reduced: SegmentedFloats;
  /** Any vector by its name. */
  vector(name: string): SegmentedFloats;
  stateOf(replica: number): ReplicaState;
  /** The elements whose moments are kept here; set by `ownRange`. */
  readonly own: FloatRange;
  ownRange(range: FloatRange): void;
}

/** Reserves the memory of a trainer. */
export function openHostMemory(options: TrainerHostOptions, { prepare }: Pick<StepLoops, 'prepare'>): HostMemory {
  const { layout, optimizer, plan, treeSlots, replicas, shared: description } = options;
  const { trainable } = layout;
  const names = stateVectors(optimizer);
  const slotNames = Array.from({ length: treeSlots }, (_, i) => `slot${i}`);
  const scratch = stepScratch(optimizer, trainable);
  /** Vectors in memories of their own; all but parameters are those of what is trainable. */
  const open = (vectors: readonly string[], ranges: Readonly<Record<string, number>> = {}) => {
    const lengths = Object.fromEntries(vectors.map((name) => [name, /parameters$/i.test(name) ? layout.length : trainable.length]));
    return openSegments<string, string>({ plan, vectors, lengths, scratch: ranges });
  };
  const { vectors, arenas } = open([...names, ...slotNames], scratch);
  // Each further replica has memories of its own, so that segments need not become small where there are many.
  const others = Array.from({ length: Math.max(0, replicas - 1) }, () => open(names, scratch));
  const outer = replicas === 0 ? undefined : open(['outerParameters', 'outerMomentum']);
  const shared = openSegments(description);
  const vector = (name: string): SegmentedFloats => {
    const found = vectors[name] ?? shared.vectors[name] ?? outer?.vectors[name];
    assertInternal(found, `the trainer has no vector ${name}`);
    return found;
  };
  const stepOver = (own: typeof arenas, range?: FloatRange): OptimizerStep =>
    new OptimizerStep({
      settings: optimizer,
      layout: trainable,
      arenas: own,
      gradient: shared.vectors['reduced']!,
      prepare,
      ...(range && { range }),
    });
  const states = [{ vectors, arenas }, ...others].map(
    (each): ReplicaState => ({
      vectors: Object.fromEntries(names.map((name) => [name, each.vectors[name]!])) as unknown as StateVectors,
      optimizer: stepOver(each.arenas),
      lastStep: 0,
      hasMoments: false,
    }),
  );
  let own: FloatRange = { first: 0, length: trainable.length };
  return {
    names,
    states,
    slots: slotNames.map(vector),
    reduced: vector('reduced'),
    vector,
    stateOf(replica) {
      const state = states[replica];
      assertInternal(state, `the trainer has ${states.length} replicas, replica ${replica} was asked`);
      return state;
    },
    get own() {
      return own;
    },
    ownRange(range) {
      own = range;
      states[0]!.optimizer = stepOver(arenas, range);
    },
  };
}
