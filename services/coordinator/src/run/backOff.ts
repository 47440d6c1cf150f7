/** Delays that double while something fails. */
export interface BackOff {
  /** Waits `ms`, or the next, longer delay. */
  wait(ms?: number): Promise<void>;
  /** Ends the current wait. */
  cut(): void;
  /** Restarts with the shortest delay. */
  reset(): void;
}

/** Creates a back-off from `firstMs` up to `longestMs`. */
export function createBackOff({ firstMs, longestMs }: { readonly firstMs: number; readonly longestMs: number }): BackOff {
  let nextMs = firstMs;
  let cut: () => void = () => undefined;
  return {
    wait: (ms) =>
      new Promise((resolve) => {
        const waitMs = ms ?? nextMs;
        if (ms === undefined) nextMs = Math.min(2 * nextMs, longestMs);
        const timer = setTimeout(resolve, waitMs);
        cut = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    cut: () => cut(),
    reset: () => {
      nextMs = firstMs;
    },
  };
}
