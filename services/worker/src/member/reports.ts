import type { StepCommitted } from '@maestro/protocol';

/** Reports of steps that no ledger is known to have. */
export interface Reports {
  /** Notes a step that was applied. */
  add(report: StepCommitted): void;
  /** Drops what the ledger has. */
  acknowledge(step: number): void;
  /** What is left, oldest first. */
  list(): readonly StepCommitted[];
  /** Waits while there are too many; rejects with the signal's reason. `onWait` is called when it has to. */
  room(signal: AbortSignal, onWait: () => void): Promise<void>;
}

/**
 * Keeps reports until they are acknowledged, so that no committed step goes unrecorded when a coordinator or the reporting member dies.
 * @param most reports that may be outstanding before the member must wait. Suggested: thousands, minutes of small steps.
 */
export function createReports({ most = 4096 }: { readonly most?: number } = {}): Reports {
  let reports: StepCommitted[] = [];
  let wake: () => void = () => undefined;
  return {
    add(report) {
      // A step that is computed again, after a view that failed, has the same content.
      reports = [...reports.filter(({ step }) => step < report.step), report];
    },
    acknowledge(step) {
      reports = reports.filter((report) => report.step > step);
      wake();
    },
    list: () => reports,
    async room(signal, onWait) {
      while (reports.length >= most) {
        signal.throwIfAborted();
        onWait();
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    },
  };
}
