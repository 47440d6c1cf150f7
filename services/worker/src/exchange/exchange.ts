import type { AllReduceResult } from '@maestro/collective';
import type { FloatRange } from '@maestro/kernels';
import type { StepOptions } from '@maestro/optim';
import type { StepReport } from '../step/runSteps.ts';

/** Result of a sum on every member, equal bit for bit. */
export type Reduced = AllReduceResult;

/** How the last subtree of a step is offered in stages: `early` ones while later ones are computed, and the rest with `finish`. */
export interface StagedOffer {
  readonly early: number;
  offer(stage: number): void;
}

/**
 * Strategy by which a step's sum is exchanged between members and becomes new parameters: on every member alike, by the owners of its
 * parts, or without peers. In each step: `begin`, `offer` for each subtree as soon as it is complete, `finish`, `apply`, and `save` when
 * all members agree on it.
 */
export interface Exchange {
  /** Range of the trainer's `reduced` that holds the sum after `finish`. */
  readonly reducedRange: FloatRange;
  /** Begins the step `step` (its index). */
  begin(step: number): void;
  /**
   * Takes the completed subtree on top of the trainer's stack, this member's number `partial`. It leaves the stack, or is the whole sum.
   */
  offer(partial: number): Promise<void>;
  /** Where the last subtree may be offered in stages instead, each as soon as it is complete. Absent: it cannot. */
  readonly staged?: StagedOffer;
  /** Returns whether this member wants all members to save the state after the step; called before `finish`. */
  wantsSave(): Promise<boolean>;
  /** Sums over all members what was offered; every member gets the same scalars and sums of squares. */
  finish(scalars: Float64Array): Promise<Reduced>;
  /** Applies the step that was finished. `report` says what it was. */
  apply(options: { readonly update: StepOptions; readonly report: () => StepReport }): Promise<void>;
  /** What all do after a step that is to be saved. */
  save(): Promise<void>;
}
