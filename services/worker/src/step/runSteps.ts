import type { SkippedImage, StepCommitted } from '@maestro/protocol';
import type { Faults } from '../process/faults.ts';
import type { ContentCheck } from '../session/contentCheck.ts';
import type { ShardReader } from '../view/shardReader.ts';
import type { Phase } from './phase.ts';

/** A member's report of an applied step; `step` includes it, times are in seconds. */
export interface StepReport extends Omit<StepCommitted, 'jobId' | 'generation'> {
  /** Compute time of one of this member's virtual ranks. */
  readonly rankSeconds: number;
  /** The minimised loss, whether the recipe reports it or not; absent when nothing is trained. */
  readonly loss?: number;
}

/** What a step came to: its report, but for what the loop knows. */
export interface StepOutcome extends Omit<StepReport, 'step' | 'stepSeconds'> {
  /** Whether all members have saved the state after it. */
  readonly isSaved?: boolean;
  /** Asked once the step is reported: whether the members end the view with it. */
  readonly isEnd: () => boolean | Promise<boolean>;
}

/** What the loop gives a step. */
export interface StepFrame {
  /** Since the step began. */
  seconds(): number;
  /**
   * To be awaited between what reads samples and what any other member learns of it: the samples have the bytes that they had for whoever
   * read them first.
   * @throws MaestroError `data-invalid` when they do not.
   */
  contentsSettled(): Promise<void>;
}

/** What a step is: one for each way to go through a job's samples. */
export interface StepProgram {
  /** Computes the step `step` (its index) and applies it, with all members that have a part in it. */
  run(step: number, frame: StepFrame): Promise<StepOutcome>;
  /** What follows the last step; it may be held up, and then begins again in the next view. */
  finish?(): Promise<'finished' | 'held'>;
}

/** What every program of steps is given, whatever a step is. */
export interface StepOptions {
  readonly contents: ContentCheck;
  readonly onPhase: (step: number, phase: Phase) => void;
  /** Returns whether this member wants the view to end after the step `step` (its index); all members then end with it. */
  readonly isHoldWanted: (step: number) => boolean;
  readonly faults: Faults;
  /** Called with images that this member could not read. */
  readonly onSkipped: (step: number, images: readonly SkippedImage[]) => void;
  readonly signal: AbortSignal;
}

/** What {@link runSteps} works on. */
export interface RunStepsOptions extends Pick<StepOptions, 'contents' | 'onPhase' | 'faults' | 'signal'> {
  readonly program: StepProgram;
  /** Steps already done. */
  readonly startStep: number;
  readonly totalSteps: number;
  readonly shards: Pick<ShardReader, 'enter' | 'leave'>;
  /** Called with what the member waits for besides its peers, and with an empty text when it continues. */
  readonly onWaiting: (reason: string) => void;
  /** Called after each applied step, with whether all saved it; the next step waits for it. */
  readonly onStep: (report: StepReport, isSaved?: boolean) => Promise<void>;
}

/**
 * The one loop over steps: from `startStep` to the end of the schedule, or to the step after which a member wants to hold. All else about a
 * step is its program's.
 *
 * @throws the signal's reason when it is aborted, between phases.
 * @throws MaestroError `data-invalid`, `redis-unavailable`, and what the program throws.
 */
export async function runSteps(options: RunStepsOptions): Promise<'finished' | 'held'> {
  const { program, startStep, totalSteps, shards, contents, onPhase, onWaiting, onStep, faults, signal } = options;
  let startedMs = 0;
  let at = startStep;
  const frame: StepFrame = {
    seconds: () => (performance.now() - startedMs) / 1000,
    contentsSettled: () =>
      contents.settle({
        isLast: at === totalSteps - 1,
        onWaiting: (reason) => {
          if (reason !== '') onPhase(at, 'report');
          onWaiting(reason);
        },
        signal,
      }),
  };

  for (let step = startStep; step < totalSteps; step++) {
    startedMs = performance.now();
    at = step;

    // Data: lease the window's shards, and request the next ones.
    onPhase(step, 'lease');
    await faults.reach(step, 'lease');
    await shards.enter(step);

    const outcome = await program.run(step, frame);

    await shards.leave(step);
    await onStep(reportOf(outcome, step, frame.seconds()), outcome.isSaved);
    if (await outcome.isEnd()) return 'held';
  }
  return (await program.finish?.()) ?? 'finished';
}

/** The report of the step `step` (its index), which took so long by now. */
export function reportOf({ isSaved: _saved, isEnd: _end, ...told }: StepOutcome, step: number, stepSeconds: number): StepReport {
  return { ...told, step: step + 1, stepSeconds };
}
