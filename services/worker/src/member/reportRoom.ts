/** Blocks while too many step reports are not in the ledger yet: a member must not run ahead of an absent coordinator without bound. */
export interface ReportRoom {
  /** Waits while there are too many; rejects with the signal's reason. `onWait` is called when it has to wait. */
  wait(signal: AbortSignal, onWait: () => void): Promise<void>;
  /** Call when their number may have fallen. */
  look(): void;
}

/**
 * Limits the reports, of which there are `count()`.
 * @param most reports that may be outstanding before the member must wait. Suggested: thousands, minutes of small steps.
 */
export function createReportRoom(count: () => number, { most = 4096 }: { readonly most?: number } = {}): ReportRoom {
  let look: () => void = () => undefined;
  return {
    look: () => look(),
    async wait(signal, onWait) {
      while (count() >= most) {
        signal.throwIfAborted();
        onWait();
        await new Promise<void>((resolve) => {
          look = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    },
  };
}
