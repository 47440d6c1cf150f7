import { randomStream } from '@maestro/random';
import { PARTITIONS, type Partition } from '../network/networkNames.ts';
import type { NetworkAbility, Restartable } from './abilities.ts';

/** An action on a cluster. */
export type ChaosAction =
  | { readonly kind: 'kill'; readonly worker: string }
  /** SIGSTOP, and SIGCONT after `forMs`. */
  | { readonly kind: 'stop'; readonly worker: string; readonly forMs: number }
  | { readonly kind: 'join'; readonly worker: string }
  | { readonly kind: 'drain'; readonly worker: string }
  | { readonly kind: 'restart'; readonly process: Restartable }
  /** Cuts a worker off, and reconnects it after `forMs`. */
  | { readonly kind: 'partition'; readonly worker: string; readonly from: Partition; readonly forMs: number }
  | { readonly kind: 'delay'; readonly worker: string; readonly delayMs: number; readonly forMs: number }
  | { readonly kind: 'loss'; readonly worker: string; readonly percent: number; readonly forMs: number }
  | { readonly kind: 'throttle'; readonly worker: string; readonly kilobits: number; readonly forMs: number };

/** An action and its time, counted from the start. */
export type ChaosEvent = ChaosAction & { readonly atMs: number };

/** Options of {@link chaosSchedule}. */
export interface ChaosOptions {
  /** The same seed gives the same schedule. */
  readonly seed: number;
  readonly minutes: number;
  /** Names of the workers present at the start; they are restarted when killed. */
  readonly workers: readonly string[];
  /** Minimum number of workers that any event must leave. */
  readonly minWorkers: number;
  /** Stops are drawn well below and well above it. Default 5000. */
  readonly failureTimeoutMs?: number;
  /** Processes that may be restarted. Default: both. */
  readonly restartable?: readonly Restartable[];
  /** Possible network faults. Default: none. */
  readonly network?: readonly NetworkAbility[];
}

/** Time for which a killed, or just started, worker counts as missing: its start, and the view that admits it. */
export const RETURN_MS = 6000;
/** Quiet time at the start, and at the end so that the last event can be recovered from. */
export const QUIET_MS = 5000;
/** Maximum number of workers that a schedule adds. */
export const MOST_JOINED = 2;

const MEAN_GAP_MS = 6000;
const LEAST_GAP_MS = 1500;
const MOST_GAP_MS = 15_000;
/** Durations of stops and partitions in shares of the failure timeout: half of them well below it, half well above. */
const SHORT_STOP = [0.1, 0.6] as const;
const LONG_STOP = [1.3, 2] as const;
/** Duration of a slow, lossy or narrow link, in shares of the failure timeout. */
const SHAPED = [0.5, 3] as const;
/** One-way delay in milliseconds: from another city to another continent. */
const DELAY_MS = [10, 150] as const;
/** Packet loss in percent: from a long line to bad radio. */
const LOSS_PERCENT = [0.1, 2] as const;
/** Rate: from a home's uplink to a slow local network. */
const KILOBITS = [20_000, 200_000] as const;
/** Number of failure timeouts for which a worker is not accepted again after its peers or Redis could not be reached. */
const EVICTED = 6;

/**
 * Draws the actions on a cluster, and their times. A pure function: a run can be inspected beforehand, and repeated.
 *
 * A worker that is away for a while counts as missing until it can work again; nothing is drawn that leaves fewer than `minWorkers`.
 */
export function chaosSchedule({
  seed,
  minutes,
  workers,
  minWorkers,
  failureTimeoutMs = 5000,
  restartable = ['coordinator', 'redis'],
  network = [],
}: ChaosOptions): ChaosEvent[] {
  const random = randomStream({ seed, purpose: 'probe' });
  const between = ([low, high]: readonly [number, number]): number => low + (high - low) * random.uniform();
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random.uniform() * items.length)]!;
  const gapMs = (): number => Math.min(MOST_GAP_MS, LEAST_GAP_MS - (MEAN_GAP_MS - LEAST_GAP_MS) * Math.log(1 - random.uniform()));

  /** Time from which each worker can work (again). */
  const presentFromMs = new Map(workers.map((name) => [name, 0]));
  let joined = 0;

  /** Returns the possible actions at a time, by kind, so that kinds are equally likely however many workers there are. */
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
    const onNetwork: Record<NetworkAbility, () => ChaosAction> = {
      partition: () => {
        const from = pick(PARTITIONS);
        const isLong = random.uniform() < 0.5;
        const forMs = Math.round(failureTimeoutMs * between(isLong ? LONG_STOP : SHORT_STOP));
        const evictedMs = isLong && (from === 'peers' || from === 'redis') ? EVICTED * failureTimeoutMs : 0;
        return { kind: 'partition', worker: absent(pick(present), forMs + evictedMs + RETURN_MS), from, forMs };
      },
      delay: () => {
        const forMs = Math.round(failureTimeoutMs * between(SHAPED));
        return { kind: 'delay', worker: absent(pick(present), forMs), delayMs: Math.round(between(DELAY_MS)), forMs };
      },
      loss: () => {
        const forMs = Math.round(failureTimeoutMs * between(SHAPED));
        return { kind: 'loss', worker: absent(pick(present), forMs), percent: Math.round(10 * between(LOSS_PERCENT)) / 10, forMs };
      },
      throttle: () => {
        const forMs = Math.round(failureTimeoutMs * between(SHAPED));
        return { kind: 'throttle', worker: absent(pick(present), forMs), kilobits: Math.round(between(KILOBITS)), forMs };
      },
    };
    const join = (): ChaosAction => ({ kind: 'join', worker: absent(`chaos-${++joined}`, RETURN_MS) });
    return [
      ...(isSpare ? [...harm, ...network.map((ability) => onNetwork[ability])] : []),
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
