import type { MicroBatchInput } from '../trainer/trainerMessages.ts';
import type { OutputPath } from './outputPath.ts';

/** What a micro batch gave beside its gradient. */
export interface MicroBatchLoss {
  readonly loss: number;
  /** Of the model's `sums`, in their order. */
  readonly sums: readonly number[];
  /** Time in which inputs went to the device, where that is apart from computing. */
  readonly sendSeconds?: number;
  /** Set once, when in-place outputs stopped working and copying took over: the reason. */
  readonly fallback?: string;
}

/** A training session with its inputs and outputs bound to memory: everything that a step needs, made once. */
export interface GradientRun {
  readonly outputPath: OutputPath;
  readonly outputPathReason: string;
  /** Pieces in which the graph is run; 1: whole. */
  readonly stages: number;
  /** Writes the gradient of one micro batch to `slots[slot]`; with `stage`, what that stage gives: all of them are run, in order. */
  gradient(batch: MicroBatchInput, slot: number, stage?: number): Promise<MicroBatchLoss>;
  /** Frees what native code holds. */
  close(): Promise<void>;
}
