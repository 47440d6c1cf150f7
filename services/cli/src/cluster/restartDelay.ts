const FIRST_MS = 200;
const MOST_MS = 10_000;
/** A process that lived this long was well: the next death is a first one. */
const HEALTHY_LIFE_MS = 30_000;

/**
 * How long to wait before a process that died is started again, in milliseconds: 0.2 s, twice as long each time up to 10 s, and 0.2 s again
 * after a life of 30 s.
 *
 * @param previousMs the delay before the life that has ended; undefined for the first.
 */
export function restartDelayMs({ previousMs, livedMs }: { readonly previousMs: number | undefined; readonly livedMs: number }): number {
  return previousMs === undefined || livedMs >= HEALTHY_LIFE_MS ? FIRST_MS : Math.min(2 * previousMs, MOST_MS);
}
