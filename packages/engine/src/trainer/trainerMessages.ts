import type { FloatRange, SegmentedArenaDescription, SegmentedFloats, SegmentPlan } from '@maestro/kernels';
import type { OptimizerSettings, StateVector } from '@maestro/optim';
import type { BatchInput, BatchViews } from '@maestro/protocol';
import type { ParameterLayout } from '@maestro/tensors';
import type { Engine } from '../gradients/engine.ts';
import type { OutputPath } from '../gradients/outputPath.ts';
import type { ModelSource, SessionOptions } from '../session.ts';

/**
 * A piece of the training graph that is run by itself, in its turn: after it the elements `range` of the gradient are complete. Inputs and
 * outputs are those of the whole graph, and values that earlier stages give to later ones.
 */
export interface TrainingStage {
  /** Undefined where nothing is left to compute. */
  readonly model: Uint8Array | undefined;
  readonly range: FloatRange;
}

/** What the main thread sends to open the host. */
export interface TrainerHostOptions extends SessionOptions {
  readonly trainingModel: ModelSource;
  readonly layout: ParameterLayout;
  readonly optimizer: OptimizerSettings;
  readonly plan: SegmentPlan;
  readonly inputs: readonly BatchInput[];
  /** Outputs of the model, float32 [], that are given out beside the loss. */
  readonly sums: readonly string[];
  readonly microBatch: number;
  readonly treeSlots: number;
  /** The training model in stages, in the order in which they are run; none: whole. */
  readonly stages: readonly TrainingStage[];
  /** Replicas that train apart; 0: one set of parameters, and no outer ones. */
  readonly replicas: number;
  readonly engine: Engine | 'auto';
  /** Whether the `capi` engine keeps parameters, moments and the gradient tree where it computes. */
  readonly isResident: boolean;
  readonly outputPath: OutputPath | 'auto';
  /** Path of the native library, for the loops of the step's tail. */
  readonly library?: string;
  /** The shared vectors `reduced` and `partial0..`. */
  readonly shared: SegmentedArenaDescription<string>;
}

/** What the host tells when it is ready. */
export interface TrainerReady {
  /** What runs the graph. */
  readonly engine: Engine;
  readonly engineReason: string;
  /** Whether parameters and moments are where it computes. */
  readonly isResident: boolean;
  readonly outputPath: OutputPath;
  readonly outputPathReason: string;
}

/** One micro batch of `count` samples; with none, its gradient and loss are zero. */
export interface MicroBatchInput {
  /** `count` samples of each input, or more; backed by shared memory, they are not copied on the way. */
  readonly inputs: BatchViews;
  readonly count: number;
  /** The weight of the micro batch, for losses and gradients that add up to those of the step. */
  readonly gradScale: number;
  /** Whether the gradient is added to the leaf instead of beginning it. Default false. */
  readonly accumulate?: boolean;
  /** With whose parameters. Default 0. */
  readonly replica?: number;
}

/** A stage of the last micro batch of a subtree; see `GradientTree.finishPartial`. */
export interface PartialStage extends MicroBatchInput {
  readonly stage: number;
  /** How many subtrees of the stack the leaf is merged with. */
  readonly merges: number;
  /** Where the subtree goes. */
  readonly partial: number;
}

/** What a micro batch gave. */
export interface MicroBatchResult {
  /** Its share of the global mean loss; micro-batch losses sum to it. */
  readonly loss: number;
  /** What the model's `sums` are, in their order; of an empty micro batch zero. */
  readonly sums: readonly number[];
  /** Time in the compute thread. */
  readonly seconds: number;
  /** Of these, the time in which inputs went to the device, where the engine can tell. */
  readonly sendSeconds?: number;
  /** Set once, when in-place outputs stopped working and copying took over: the reason. */
  readonly fallback?: string;
}

/** What an optimiser's step took in the compute thread; of that, the time in which the gradient went to the device. */
export interface ApplyResult {
  readonly seconds: number;
  readonly sendSeconds: number;
}

/** A range of a state vector, and an array of just these elements; shared memory, since it crosses threads. */
export interface StateRange {
  readonly vector: StateVector;
  readonly range: FloatRange;
  readonly values: Float32Array;
}

/** What replicas that train apart have in common, as whole flat arrays. */
export interface OuterState {
  readonly parameters: Float32Array;
  /** Of the trainable parameters. Missing: zero. */
  readonly momentum?: Float32Array;
}

/** A replica's state, by name. */
export type StateVectors = Readonly<Record<'parameters', SegmentedFloats> & Partial<Record<StateVector, SegmentedFloats>>>;

/** Vectors as whole flat arrays: `layout.length` parameters, moments of those that are trainable. Missing moments are zero. */
export interface FlatState {
  readonly parameters: Float32Array;
  readonly firstMoments?: Float32Array;
  readonly secondMoments?: Float32Array;
  /** Optimizer steps that made these parameters. */
  readonly step: number;
  /** Whose they are. Default 0. */
  readonly replica?: number;
}
