import type { AllReduceResult } from '@maestro/collective';
import type { AdamWOptions, FloatRange } from '@maestro/kernels';
import type { StepReport } from '../step/stepLoop.ts';

/** How gradients become new parameters: on all members alike, or by the owners of their parts. */
export interface Replication {
  /** Where the trainer's `reduced` holds the sum after `reduce`. */
  readonly reducedRange: FloatRange;
  /** Sums the partials over all members; every member gets the same scalars and sums of squares. */
  readonly reduce: (options: { readonly step: number; readonly scalars: Float64Array }) => Promise<AllReduceResult>;
  /** Whether this member wants the state after the step `step` (its index) to be saved by all; asked before each reduction. */
  readonly isSaveWanted: (step: number) => Promise<boolean>;
  /** Applies the step that was reduced. `report` says what it was. */
  readonly apply: (options: { readonly step: number; readonly adamW: AdamWOptions; readonly report: () => StepReport }) => Promise<void>;
  /** What all do after a step that is to be saved. */
  readonly save: (step: number) => Promise<void>;
}
