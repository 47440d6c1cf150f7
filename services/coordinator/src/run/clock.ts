/** Time as the coordinator's shells see it: the machine's, or that of a simulation. */
export interface Clock {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** Calls `action` after so many milliseconds; gives the way to call it off. */
  after(delayMs: number, action: () => void): () => void;
  /** Calls `action` once what is under way is done. */
  soon(action: () => void): void;
}

/** The machine's time. */
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
