import type { StepTimes } from '@maestro/protocol';

/** Collects step times for the coordinator, so that steps of milliseconds cost it no more than long ones. */
export interface StepTimesReport {
  add(times: StepTimes): void;
  /** Sends the pending step times. */
  flush(): void;
}

/** Options of {@link openStepTimesReport}. */
export interface StepTimesReportOptions {
  readonly send: (steps: readonly StepTimes[]) => void;
  /** Minimum time between two reports. Default 1000. */
  readonly everyMs?: number;
  /** Maximum steps of one report: the newest. Default 32. */
  readonly most?: number;
  readonly now?: () => number;
}

/** Opens a report; the first step is sent at once. */
export function openStepTimesReport({
  send,
  everyMs = 1000,
  most = 32,
  now = () => performance.now(),
}: StepTimesReportOptions): StepTimesReport {
  let steps: StepTimes[] = [];
  let sentMs = Number.NEGATIVE_INFINITY;
  const flush = (): void => {
    if (steps.length === 0) return;
    send(steps);
    steps = [];
    sentMs = now();
  };
  return {
    add(times) {
      steps.push(times);
      if (steps.length > most) steps.shift();
      if (now() - sentMs >= everyMs) flush();
    },
    flush,
  };
}
