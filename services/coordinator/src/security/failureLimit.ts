import { setTimeout as delay } from 'node:timers/promises';
import { MaestroError } from '@maestro/protocol';

/** Slows down clients that try unknown tokens. A known token never gets here, so nobody is locked out by others' failures. */
export interface FailureLimit {
  /**
   * Counts a failure, and resolves when it may be answered.
   * @throws MaestroError `rate-limited` when too many answers wait already.
   */
  failed(from: string): Promise<void>;
}

const WINDOW_MS = 60_000;
/** Failures per minute that are answered at once: from one address, and from all together. */
const FREE_FROM_ONE = 10;
const FREE_IN_ALL = 200;
/** Delay of the next failure from the same address; doubled with each. */
const FIRST_WAIT_MS = 250;
/** The longest delay, and that of all failures beyond {@link FREE_IN_ALL}. */
const LONGEST_WAIT_MS = 2000;
/** Limits the delayed answers, and so memory. */
const MOST_WAITING_FROM_ONE = 16;
const MOST_WAITING = 256;
/** Number of remembered addresses; the oldest are dropped first. */
const MOST_PLACES = 10_000;

/** Returns the delay of the answer to a failure; the counts are those of the last minute and include it. */
export function failureWaitMs(fromOne: number, inAll: number): number {
  const beyond = fromOne - FREE_FROM_ONE;
  const forOne = beyond > 0 ? Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (beyond - 1)) : 0;
  return inAll > FREE_IN_ALL ? LONGEST_WAIT_MS : forOne;
}

interface Count {
  readonly sinceMs: number;
  readonly count: number;
  readonly waiting: number;
}

/** Creates a {@link FailureLimit}; its memory is bounded whoever calls. */
export function limitFailures({
  now = Date.now,
  wait = (ms: number): Promise<void> => delay(ms, undefined, { ref: false }),
}: {
  readonly now?: () => number;
  readonly wait?: (ms: number) => Promise<void>;
} = {}): FailureLimit {
  const places = new Map<string, Count>();
  let all: Count = { sinceMs: 0, count: 0, waiting: 0 };
  const more = (before: Count | undefined): Count => {
    const isRecent = before !== undefined && now() - before.sinceMs < WINDOW_MS;
    return { sinceMs: isRecent ? before.sinceMs : now(), count: (isRecent ? before.count : 0) + 1, waiting: before?.waiting ?? 0 };
  };
  const noteWaiting = (from: string, change: 1 | -1): void => {
    all = { ...all, waiting: all.waiting + change };
    const place = places.get(from);
    if (place !== undefined) places.set(from, { ...place, waiting: Math.max(0, place.waiting + change) });
  };
  return {
    async failed(from) {
      const place = more(places.get(from));
      all = more(all);
      places.delete(from);
      places.set(from, place);
      if (places.size > MOST_PLACES) places.delete(places.keys().next().value!);
      const waitMs = failureWaitMs(place.count, all.count);
      if (waitMs === 0) return;
      if (place.waiting >= MOST_WAITING_FROM_ONE || all.waiting >= MOST_WAITING) {
        const retryAfterSeconds = Math.max(1, Math.ceil((place.sinceMs + WINDOW_MS - now()) / 1000));
        throw new MaestroError('rate-limited', `too many unknown tokens; try again in ${retryAfterSeconds} s`, {
          details: { retryAfterSeconds },
        });
      }
      noteWaiting(from, 1);
      try {
        await wait(waitMs);
      } finally {
        noteWaiting(from, -1);
      }
    },
  };
}
