const FIRST_MS = 200;
const MOST_MS = 10_000;
/** Lifetime after which a process counts as healthy: its next death is a first one. */
const HEALTHY_LIFE_MS = 30_000;

/**
 * Returns the back-off before a dead process is restarted, in milliseconds: 0.2 s, doubled each time up to 10 s, and 0.2 s again after a
 * life of 30 s.
 *
 * @param previousMs the delay before the life that has ended; undefined for the first.
 */
export function restartDelayMs({ previousMs, livedMs }: { readonly previousMs: number | undefined; readonly livedMs: number }): number {
  return previousMs === undefined || livedMs >= HEALTHY_LIFE_MS ? FIRST_MS : Math.min(2 * previousMs, MOST_MS);
}
