import type { ElementArithmetic, ScalarArithmetic } from './arithmetic.ts';

/** A function of the compiled module; see `compileUpdates.ts`. */
export type UpdateKernel = 'adamW' | 'sgd' | 'nesterov';

/** What the scalars of a tensor are worked out from, in one step. */
export interface ScalarInputs<Value> {
  /** With the tensor's `lrScale` in it. */
  readonly lr: Value;
  /** Counts from 1. */
  readonly step: Value;
  /** What gradients are multiplied with first. */
  readonly gradScale: Value;
  /** 0 for tensors that do not decay. */
  readonly weightDecay: number;
}

/** The norms of a tensor and its gradient. */
export interface Norms<Value> {
  readonly parameter: Value;
  readonly gradient: Value;
}

/** One element with what moves it. */
export interface ElementState<Value> {
  readonly parameter: Value;
  /** In the order of {@link UpdateRule.moments}. */
  readonly moments: readonly Value[];
}

/**
 * An optimiser, described once: the kernel, its twin in JavaScript, the portable graph and the graph that runs on a device are made from
 * this.
 */
export interface UpdateRule<Scalar extends string = string> {
  readonly kernel: UpdateKernel;
  /** What the moments are called in files, as PyTorch calls them. */
  readonly moments: readonly string[];
  /** The scalars of a step, in the order in which the kernel finds them. */
  readonly scalars: readonly Scalar[];
  /** The scalars of a tensor. */
  scalarsOf<Value>(ops: ScalarArithmetic<Value>, inputs: ScalarInputs<Value>): Readonly<Record<Scalar, Value>>;
  /**
   * Where a tensor's step depends on its norms: the scalar `trust`, which is 1 without it. Only for tensors of two dimensions or more.
   */
  adapt?<Value>(ops: ScalarArithmetic<Value>, norms: Norms<Value>, weightDecay: number): Value;
  /** A step of one element. */
  update<Value>(
    ops: ElementArithmetic<Value>,
    state: ElementState<Value>,
    gradient: Value,
    scalars: Readonly<Record<Scalar, Value>>,
  ): ElementState<Value>;
}
