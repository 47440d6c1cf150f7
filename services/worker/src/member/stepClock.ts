import type { RoundTimes } from '@maestro/collective';
import type { StepPhase, StepTimes } from '@maestro/protocol';
import type { Phase } from '../step/phase.ts';

/** Measures where a member's steps spend their time: called at the beginning of each phase, it reports each applied step. */
export interface StepClock {
  /** Begins a phase, and ends the previous one. */
  enter(phase: Phase): void;
  /** Records a completed round with the peers; its parts are subtracted from the current phase. */
  round(times: RoundTimes): void;
  /** Records that the current step is applied: it counts once it has ended. */
  applied(step: number): void;
}

/** Phases of a member that belong to a step, and the step phase they count as; all others end it. */
const COUNTS_AS: Readonly<Partial<Record<Phase, StepPhase>>> = {
  lease: 'data',
  data: 'data',
  compute: 'forward',
  reduce: 'other',
  apply: 'apply',
  report: 'other',
  checkpoint: 'other',
};

type Times = Record<StepPhase, number> & { lag: number };

/** Options of {@link openStepClock}. */
export interface StepClockOptions {
  readonly onStep: (times: StepTimes) => void;
  /** Returns milliseconds since any fixed time. */
  readonly now?: () => number;
  /** Returns milliseconds since 1970. */
  readonly wallNow?: () => number;
}

/** Opens a step clock; a step begins with its phase `lease`. */
export function openStepClock({ onStep, now = () => performance.now(), wallNow = Date.now }: StepClockOptions): StepClock {
  let times: Times | undefined;
  let startMs = 0;
  let appliedStep: number | undefined;
  let bucket: StepPhase = 'other';
  let sinceMs = 0;

  const charge = (): void => {
    const nowMs = now();
    if (times !== undefined) times[bucket] += (nowMs - sinceMs) / 1000;
    sinceMs = nowMs;
  };
  const finish = (): void => {
    if (times !== undefined && appliedStep !== undefined) onStep({ step: appliedStep, startMs, ...times });
    times = undefined;
    appliedStep = undefined;
  };

  return {
    enter(phase) {
      const next = COUNTS_AS[phase];
      charge();
      if (next === undefined || phase === 'lease') finish();
      if (phase === 'lease') {
        times = { data: 0, forward: 0, wait: 0, reduceScatter: 0, allGather: 0, apply: 0, other: 0, lag: 0 };
        startMs = wallNow();
      }
      bucket = next ?? 'other';
    },
    round({ wait, lag, reduceScatter, allGather }) {
      if (times === undefined) return;
      charge();
      const isSummed = bucket === 'other';
      // A round of an apply gathers what others applied: waiting for them is part of it.
      const [waited, gathered] = isSummed ? [wait, allGather] : [0, wait + allGather];
      times[bucket] -= waited + gathered + reduceScatter;
      times.wait += waited;
      times.reduceScatter += reduceScatter;
      times.allGather += gathered;
      times[bucket] = Math.max(0, times[bucket]);
      if (isSummed) times.lag = Math.max(times.lag, lag);
    },
    applied(step) {
      appliedStep = step;
    },
  };
}
