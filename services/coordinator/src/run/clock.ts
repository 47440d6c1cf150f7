/** Clock of the coordinator's shells: the machine's, or a simulation's. */
export interface Clock {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** Calls `action` after `delayMs`; returns a function that cancels it. */
  after(delayMs: number, action: () => void): () => void;
  /** Calls `action` once the current work is done. */
  soon(action: () => void): void;
}

/** The machine's clock. */
export const systemClock: Clock = {
  get nowMs() {
    return Date.now();
  },
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
  soon: (action) => void setImmediate(action),
};
