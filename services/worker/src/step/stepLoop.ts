import type { SkippedImage, StepCommitted } from '@maestro/protocol';
import type { Faults } from '../process/faults.ts';
import type { ContentCheck } from '../session/contentCheck.ts';
import type { ShardReader } from '../view/shardReader.ts';
import type { Phase } from './phase.ts';

/** What a member reports of a step that it has applied; `step` counts it in, times are in seconds. */
export interface StepReport extends Omit<StepCommitted, 'jobId' | 'generation'> {
  /** Computing time of one of this member's virtual ranks. */
  readonly rankSeconds: number;
  /** What training minimises, whether the recipe tells it or not; absent where nothing is trained. */
  readonly loss?: number;
}

/** What every loop over steps is given, whatever a step is. */
export interface StepLoopOptions {
  /** Steps already done. */
  readonly startStep: number;
  readonly shards: ShardReader;
  readonly contents: ContentCheck;
  /** Told what the member waits for beside its peers, and with an empty text when it goes on. */
  readonly onWaiting: (reason: string) => void;
  readonly onPhase: (step: number, phase: Phase) => void;
  /** Whether this member wants the view to end after the step `step` (its index); all members then end with it. */
  readonly isHoldWanted: (step: number) => boolean;
  readonly faults: Faults;
  /** Called with images that this member could not read. */
  readonly onSkipped: (step: number, images: readonly SkippedImage[]) => void;
  /** Called after each step that was applied, and saved by all or not; the next step waits for it. */
  readonly onStep: (report: StepReport, isSaved?: boolean) => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Waits until what was read for a step is compared with what was read before.
 * @throws MaestroError `data-invalid` when it differs.
 */
export async function settleContents(
  { contents, onPhase, onWaiting, signal }: Pick<StepLoopOptions, 'contents' | 'onPhase' | 'onWaiting' | 'signal'>,
  step: number,
  totalSteps: number,
): Promise<void> {
  await contents.settle({
    isLast: step === totalSteps - 1,
    onWaiting: (reason) => {
      if (reason !== '') onPhase(step, 'report');
      onWaiting(reason);
    },
    signal,
  });
}
