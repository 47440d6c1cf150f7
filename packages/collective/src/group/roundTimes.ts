/** How long the parts of one round took a member, in seconds. */
export interface RoundTimes {
  /** From this member's arrival to the last peer's: the barrier. 0 for whoever comes last. */
  readonly wait: number;
  /** From the first peer's arrival to this member's; 0 for whoever comes first. */
  readonly lag: number;
  /** From there until the own chunk was summed; 0 where nothing is summed. */
  readonly reduceScatter: number;
  /** The rest of the round. */
  readonly allGather: number;
}

/** What a round's times follow from, in milliseconds by any one clock. */
export interface RoundMarks {
  readonly startedMs: number;
  /** When the first and the last peer opened the round; infinite where there are no peers. */
  readonly firstArrivalMs: number;
  readonly lastArrivalMs: number;
  /** When the own chunk was summed; undefined where nothing was. */
  readonly summedMs: number | undefined;
  readonly endedMs: number;
}

/** The times of a member that has done no round. */
export const NO_TIMES: RoundTimes = { wait: 0, lag: 0, reduceScatter: 0, allGather: 0 };

/** The times of a round that has ended; they add up to its duration, without the lag, which came before it. */
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

/** Takes the marks of one round after the other. */
export interface RoundClock {
  /** Of the last round that was closed. */
  readonly times: RoundTimes;
  /** This member opens a round. */
  open(): void;
  /** A peer has opened it, at `atMs`; that may have been before this member did. */
  arrived(atMs: number): void;
  /** The own chunk is summed; the first call counts. */
  summed(): void;
  close(): void;
}

/** A clock that has seen no round; `nowMs` tells the time. */
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
