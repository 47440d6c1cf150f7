/** Durations of the parts of one round of a member, in seconds. */
export interface RoundTimes {
  /** From this member's arrival to the last peer's: the barrier wait. 0 for the last to arrive. */
  readonly wait: number;
  /** From the first peer's arrival to this member's; 0 for the first to arrive. */
  readonly lag: number;
  /** From the barrier until the own chunk was summed; 0 when nothing is summed. */
  readonly reduceScatter: number;
  /** The rest of the round. */
  readonly allGather: number;
}

/** Time marks from which a round's durations follow, in milliseconds of one clock. */
export interface RoundMarks {
  readonly startedMs: number;
  /** Times at which the first and the last peer opened the round; infinite when there are no peers. */
  readonly firstArrivalMs: number;
  readonly lastArrivalMs: number;
  /** Time at which the own chunk was summed; undefined when nothing was. */
  readonly summedMs: number | undefined;
  readonly endedMs: number;
}

/** Times of a member that has completed no round. */
const NO_TIMES: RoundTimes = { wait: 0, lag: 0, reduceScatter: 0, allGather: 0 };

/** Returns the times of a completed round; they add up to its duration, without the lag, which precedes it. */
export function roundTimes({ startedMs, firstArrivalMs, lastArrivalMs, summedMs, endedMs }: RoundMarks): RoundTimes {
  const openMs = Math.min(endedMs, Math.max(startedMs, lastArrivalMs));
  const gatherMs = Math.min(endedMs, Math.max(openMs, summedMs ?? openMs));
  return {
    wait: (openMs - startedMs) / 1000,
    lag: Math.max(0, startedMs - firstArrivalMs) / 1000,
    reduceScatter: (gatherMs - openMs) / 1000,
    allGather: (endedMs - gatherMs) / 1000,
  };
}

/** Records the marks of one round after another. */
export interface RoundClock {
  /** Times of the last round that was closed. */
  readonly times: RoundTimes;
  /** Marks that this member opens a round. */
  open(): void;
  /** Marks that a peer opened it, at `atMs`; possibly before this member did. */
  arrived(atMs: number): void;
  /** Marks that the own chunk is summed; the first call counts. */
  summed(): void;
  close(): void;
}

/** Creates a clock that has seen no round; `nowMs` returns the time. */
export function createRoundClock(nowMs: () => number = () => performance.now()): RoundClock {
  let times = NO_TIMES;
  let startedMs = 0;
  let firstArrivalMs = Number.POSITIVE_INFINITY;
  let lastArrivalMs = Number.NEGATIVE_INFINITY;
  let summedMs: number | undefined;
  return {
    get times() {
      return times;
    },
    open() {
      startedMs = nowMs();
      firstArrivalMs = Number.POSITIVE_INFINITY;
      lastArrivalMs = Number.NEGATIVE_INFINITY;
      summedMs = undefined;
    },
    arrived(atMs) {
      firstArrivalMs = Math.min(firstArrivalMs, atMs);
      lastArrivalMs = Math.max(lastArrivalMs, atMs);
    },
    summed() {
      summedMs ??= nowMs();
    },
    close() {
      times = roundTimes({ startedMs, firstArrivalMs, lastArrivalMs, summedMs, endedMs: nowMs() });
    },
  };
}
