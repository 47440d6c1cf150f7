import { MaestroError } from '@maestro/protocol';

/** Counts failed logins by where they come from. */
export interface FailureLimit {
  /** @throws MaestroError `rate-limited` when there were too many from there lately. */
  require(from: string): void;
  failed(from: string): void;
}

/** So many failures within a minute are taken before no more are looked at. */
const MOST_FAILURES = 10;
const WINDOW_MS = 60_000;
/** Places that are remembered; the oldest go first. */
const MOST_PLACES = 10_000;

/** Makes a {@link FailureLimit}; memory is bounded whoever knocks. */
export function limitFailures({
  now = Date.now,
  most = MOST_FAILURES,
}: {
  readonly now?: () => number;
  readonly most?: number;
} = {}): FailureLimit {
  const places = new Map<string, { readonly sinceMs: number; readonly count: number }>();
  const current = (from: string) => {
    const place = places.get(from);
    return place !== undefined && now() - place.sinceMs < WINDOW_MS ? place : { sinceMs: now(), count: 0 };
  };
  return {
    require(from) {
      const { sinceMs, count } = current(from);
      if (count < most) return;
      const retryAfterSeconds = Math.ceil((sinceMs + WINDOW_MS - now()) / 1000);
      throw new MaestroError('rate-limited', `too many failed logins; try again in ${retryAfterSeconds} s`, {
        details: { retryAfterSeconds },
      });
    },
    failed(from) {
      const { sinceMs, count } = current(from);
      places.delete(from);
      places.set(from, { sinceMs, count: count + 1 });
      if (places.size > MOST_PLACES) places.delete(places.keys().next().value!);
    },
  };
}
