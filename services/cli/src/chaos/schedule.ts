import { randomStream } from '@maestro/random';

/** Something that is done to a cluster. */
export type ChaosAction =
  | { readonly kind: 'kill'; readonly worker: string }
  /** SIGSTOP, and SIGCONT after `forMs`. */
  | { readonly kind: 'stop'; readonly worker: string; readonly forMs: number }
  | { readonly kind: 'join'; readonly worker: string }
  | { readonly kind: 'drain'; readonly worker: string }
  | { readonly kind: 'restart'; readonly process: 'coordinator' | 'redis' };

/** An action and when it is done, counted from the start. */
export type ChaosEvent = ChaosAction & { readonly atMs: number };

/** What a schedule is drawn from. */
export interface ChaosOptions {
  /** The same seed gives the same schedule. */
  readonly seed: number;
  readonly minutes: number;
  /** Names of the workers that are there at the start; they are started again when they are killed. */
  readonly workers: readonly string[];
  /** No event is drawn that would leave fewer workers than this. */
  readonly minWorkers: number;
  /** Stops are drawn that are well below and well above it. Default 5000. */
  readonly failureTimeoutMs?: number;
  /** Processes that may be restarted. Default both. */
  readonly restartable?: readonly ('coordinator' | 'redis')[];
}

/** How long a worker that was killed, or has just been started, is counted as missing: its start, and the view that takes it in. */
export const RETURN_MS = 6000;
/** Quiet time at the start, and at the end so that the last event is recovered from. */
export const QUIET_MS = 5000;
/** Workers that a schedule adds at a time. */
export const MOST_JOINED = 2;

const MEAN_GAP_MS = 6000;
const LEAST_GAP_MS = 1500;
const MOST_GAP_MS = 15_000;
/** Stops in shares of the failure timeout: half of them well below it, half well above. */
const SHORT_STOP = [0.1, 0.6] as const;
const LONG_STOP = [1.3, 2] as const;

/**
 * Draws what to do to a cluster, and when. A pure function: a run can be looked at beforehand, and done again.
 *
 * A worker that is gone for a while counts as missing until it can work again; nothing is drawn that leaves less than `minWorkers`.
 */
export function chaosSchedule({
  seed,
  minutes,
  workers,
  minWorkers,
  failureTimeoutMs = 5000,
  restartable = ['coordinator', 'redis'],
}: ChaosOptions): ChaosEvent[] {
  const random = randomStream({ seed, purpose: 'probe' });
  const between = ([low, high]: readonly [number, number]): number => low + (high - low) * random.uniform();
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random.uniform() * items.length)]!;
  const gapMs = (): number => Math.min(MOST_GAP_MS, LEAST_GAP_MS - (MEAN_GAP_MS - LEAST_GAP_MS) * Math.log(1 - random.uniform()));

  /** When each worker can work (again). */
  const presentFromMs = new Map(workers.map((name) => [name, 0]));
  let joined = 0;

  /** What can be done at a time, by kind, so that kinds are equally likely however many workers there are. */
  const choices = (atMs: number): (() => ChaosAction)[] => {
    const present = [...presentFromMs].filter(([, fromMs]) => fromMs <= atMs).map(([name]) => name);
    const isSpare = present.length > minWorkers;
    const absent = (worker: string, forMs: number): string => {
      presentFromMs.set(worker, atMs + forMs);
      return worker;
    };
    const harm: (() => ChaosAction)[] = [
      () => ({ kind: 'kill', worker: absent(pick(present), RETURN_MS) }),
      () => {
        const forMs = Math.round(failureTimeoutMs * between(SHORT_STOP));
        return { kind: 'stop', worker: absent(pick(present), forMs), forMs };
      },
      () => {
        const forMs = Math.round(failureTimeoutMs * between(LONG_STOP));
        return { kind: 'stop', worker: absent(pick(present), forMs + RETURN_MS), forMs };
      },
      () => {
        const worker = pick(present);
        presentFromMs.delete(worker);
        return { kind: 'drain', worker };
      },
    ];
    const join = (): ChaosAction => ({ kind: 'join', worker: absent(`chaos-${++joined}`, RETURN_MS) });
    return [
      ...(isSpare ? harm : []),
      ...(presentFromMs.size < workers.length + MOST_JOINED ? [join] : []),
      ...restartable.map((process) => (): ChaosAction => ({ kind: 'restart', process })),
    ];
  };

  const events: ChaosEvent[] = [];
  for (let atMs = Math.round(QUIET_MS + gapMs()); atMs <= minutes * 60_000 - QUIET_MS; atMs = Math.round(atMs + gapMs())) {
    const possible = choices(atMs);
    if (possible.length > 0) events.push({ atMs, ...pick(possible)() });
  }
  return events;
}
