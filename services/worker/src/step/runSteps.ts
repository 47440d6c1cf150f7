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

/** Outcome of a step: its report without the fields that the loop adds. */
export interface StepOutcome extends Omit<StepReport, 'step' | 'stepSeconds'> {
  /** True when all members have saved the state after the step. */
  readonly isSaved?: boolean;
  /** Returns whether the members end the view with this step; called after the step is reported. */
  readonly isEnd: () => boolean | Promise<boolean>;
}

/** Services of the loop for one step. */
export interface StepFrame {
  /** Returns the time since the step began. */
  seconds(): number;
  /**
   * Resolves when the step's samples are known to have the bytes that their first reader saw. To be awaited after reading samples and
   * before any other member learns of the result.
   * @throws MaestroError `data-invalid` when they differ.
   */
  contentsSettled(): Promise<void>;
}

/** Defines a step: one program for each way to process a job's samples. */
export interface StepProgram {
  /** Computes and applies the step `step` (its index), together with all members that take part in it. */
  run(step: number, frame: StepFrame): Promise<StepOutcome>;
  /** Runs after the last step. A hold may interrupt it; it then starts over in the next view. */
  finish?(): Promise<'finished' | 'held'>;
}

/** Options common to all step programs. */
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

/** Options of {@link runSteps}. */
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
 * The only loop over steps: runs from `startStep` to the end of the schedule, or to the step after which a member wants to hold. Everything
 * else about a step is up to its program.
 *
 * @throws the signal's reason when it is aborted, between phases.
 * @throws MaestroError `data-invalid`, `redis-unavailable`, and errors of the program.
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

/** Returns the report of the step `step` (its index), which has taken `stepSeconds`. */
export function reportOf({ isSaved: _saved, isEnd: _end, ...told }: StepOutcome, step: number, stepSeconds: number): StepReport {
  return { ...told, step: step + 1, stepSeconds };
}
