import { randomStream } from '@maestro/random';
import { PARTITIONS, type Partition } from '../network/networkNames.ts';
import type { NetworkAbility, Restartable } from './abilities.ts';

/** Something that is done to a cluster. */
export type ChaosAction =
  | { readonly kind: 'kill'; readonly worker: string }
  /** SIGSTOP, and SIGCONT after `forMs`. */
  | { readonly kind: 'stop'; readonly worker: string; readonly forMs: number }
  | { readonly kind: 'join'; readonly worker: string }
  | { readonly kind: 'drain'; readonly worker: string }
  | { readonly kind: 'restart'; readonly process: Restartable }
  /** Cuts a worker off, and joins it again after `forMs`. */
  | { readonly kind: 'partition'; readonly worker: string; readonly from: Partition; readonly forMs: number }
  | { readonly kind: 'delay'; readonly worker: string; readonly delayMs: number; readonly forMs: number }
  | { readonly kind: 'loss'; readonly worker: string; readonly percent: number; readonly forMs: number }
  | { readonly kind: 'throttle'; readonly worker: string; readonly kilobits: number; readonly forMs: number };

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
  readonly restartable?: readonly Restartable[];
  /** What can be done to the network. Default nothing. */
  readonly network?: readonly NetworkAbility[];
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
/** Stops and partitions in shares of the failure timeout: half of them well below it, half well above. */
const SHORT_STOP = [0.1, 0.6] as const;
const LONG_STOP = [1.3, 2] as const;
/** How long a link is slow, lossy or narrow, in shares of the failure timeout. */
const SHAPED = [0.5, 3] as const;
/** One way, in milliseconds: from another city to another continent. */
const DELAY_MS = [10, 150] as const;
/** From a long line to bad radio, in percent of packets. */
const LOSS_PERCENT = [0.1, 2] as const;
/** From a home's uplink to a slow local network. */
const KILOBITS = [20_000, 200_000] as const;
/** A worker that its peers or Redis could not be reached from is not taken back for so many failure timeouts. */
const EVICTED = 6;

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
  network = [],
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
