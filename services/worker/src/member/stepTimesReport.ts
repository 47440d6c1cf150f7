import type { StepTimes } from '@maestro/protocol';

/** Gathers step times for the coordinator, so that steps of milliseconds cost it no more than long ones. */
export interface StepTimesReport {
  add(times: StepTimes): void;
  /** Sends what there is. */
  flush(): void;
}

/** What a report of step times takes. */
export interface StepTimesReportOptions {
  readonly send: (steps: readonly StepTimes[]) => void;
  /** Time between two reports, at least. Default 1000. */
  readonly everyMs?: number;
  /** Steps of one report, at most: the newest. Default 32. */
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
