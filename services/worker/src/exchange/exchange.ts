import type { AllReduceResult } from '@maestro/collective';
import type { AdamWOptions, FloatRange } from '@maestro/kernels';
import type { StepReport } from '../step/runSteps.ts';

/** What all members know of a sum, equal bit for bit. */
export type Reduced = AllReduceResult;

/**
 * How a step's sum gets from members to members, and becomes new parameters: on all alike, by the owners of their parts, or without peers.
 * In each step: `begin`, `offer` for each subtree as soon as it is complete, `finish`, `apply`, and `save` where all agree on it.
 */
export interface Exchange {
  /** Where the trainer's `reduced` holds the sum after `finish`. */
  readonly reducedRange: FloatRange;
  /** A step begins, by its index. */
  begin(step: number): void;
  /** The subtree on top of the trainer's stack is complete: number `partial` of this member's. It leaves the stack, or is the whole sum. */
  offer(partial: number): Promise<void>;
  /** Whether this member wants the state after the step to be saved by all; asked before it is finished. */
  wantsSave(): Promise<boolean>;
  /** Sums what was offered over all members; every member gets the same scalars and sums of squares. */
  finish(scalars: Float64Array): Promise<Reduced>;
  /** Applies the step that was finished. `report` says what it was. */
  apply(options: { readonly adamW: AdamWOptions; readonly report: () => StepReport }): Promise<void>;
  /** Saves the state after a step, on all members. */
  save(): Promise<void>;
}
