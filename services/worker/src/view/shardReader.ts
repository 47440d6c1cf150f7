import { type Schedule, type Shard, type StepWindow, windowOfStep } from '@maestro/data';
import { errorMessage, MaestroError } from '@maestro/protocol';
import type { Lease, ShardQueue } from '@maestro/queue';
import { pause } from '../process/signals.ts';

/**
 * A member's side of its generation's shard queues: the leases of its virtual ranks, window by window. An outage of Redis blocks only
 * `enter`, which waits for it.
 */
export interface ShardReader {
  /**
   * Waits until the shards of the window of `step` are leased, and starts to lease the next window.
   * @throws MaestroError `cancelled` when the signal aborts or the reader is closed; nothing else.
   */
  enter(step: number): Promise<void>;
  /** Completes a window's shards in the background when `step` was its last. */
  leave(step: number): void;
  /** Stops at once. Leases stay: the next view has its own queues. */
  close(): Promise<void>;
}

/** Options of {@link openShardReader}. */
export interface ShardReaderOptions {
  readonly queue: ShardQueue;
  readonly schedule: Schedule;
  /** The member's virtual ranks. */
  readonly virtualRanks: readonly number[];
  /** Called with the reason when `enter` has waited for `noticeMs`, and with `undefined` when it continues. */
  readonly onWaiting?: (reason: string | undefined) => void;
  /** Default 250. */
  readonly noticeMs?: number;
  /**
   * Interval at which the locks are renewed, in milliseconds; well below their duration. They only show who is alive, so failures are
   * ignored.
   */
  readonly extendEveryMs?: number;
  readonly signal: AbortSignal;
}

const POLL_MS = 20;
const RETRY_MS = 250;
/**
 * Limits the shards that wait to be completed while Redis is unreachable; older ones are dropped, since only the ledger records what is
 * done.
 */
const KEPT_COMPLETIONS = 1024;

/** Opens a shard reader. */
export function openShardReader({
  queue,
  schedule,
  virtualRanks,
  onWaiting = () => undefined,
  noticeMs = 250,
  extendEveryMs = 10_000,
  signal,
}: ShardReaderOptions): ShardReader {
  const closing = new AbortController();
  const ended = AbortSignal.any([signal, closing.signal]);
  /** Windows by their first step: requested, and leased. */
  const windows = new Map<number, Promise<Lease[]>>();
  const held = new Map<number, Lease[]>();
  /** Leases by virtual rank that were ahead of what was wanted when they arrived. */
  const early = new Map<number, Lease[]>();
  let completions: Lease[] = [];
  let isCompleting = false;
  /** Reason why leasing is delayed at present. */
  let obstacle = '';

  const leaseWindow = (window: StepWindow): Promise<Lease[]> => {
    const known = windows.get(window.firstStep);
    if (known !== undefined) return known;
    const leases = Promise.all(virtualRanks.map((rank) => leaseShard({ ...window, virtualRank: rank })));
    windows.set(window.firstStep, leases);
    leases.then(
      (all) => held.set(window.firstStep, all),
      () => undefined, // reported by the step that needs them
    );
    return leases;
  };

  /** Retries until the shard is leased. An answer that was lost leaves it leased: it is then found among the leases. */
  const leaseShard = async (wanted: Shard): Promise<Lease> => {
    const { virtualRank, epoch, window, firstStep } = wanted;
    let mayBeLeased = false;
    for (;;) {
      if (ended.aborted)
        throw new MaestroError('cancelled', `waiting for shard e${epoch}-w${window} of virtual rank ${virtualRank} was cancelled`);
      try {
        const held = mayBeLeased ? await queue.takeOver(virtualRank) : (early.get(virtualRank) ?? []);
        const found = held.find(({ shard }) => shard.firstStep === firstStep);
        if (found !== undefined) {
          early.set(
            virtualRank,
            (early.get(virtualRank) ?? []).filter(({ shard }) => shard.firstStep !== firstStep),
          );
          return found;
        }
        mayBeLeased = false;
        const lease = await queue.lease(virtualRank);
        if (lease?.shard.firstStep === firstStep) return lease;
        if (lease === undefined) {
          obstacle = `shard e${epoch}-w${window} of virtual rank ${virtualRank} is not enqueued yet`;
          mayBeLeased = true;
          await pause(POLL_MS, ended);
        } else if (lease.shard.firstStep < firstStep) {
          complete([lease]); // Redis lost its completion
        } else {
          early.set(virtualRank, [...(early.get(virtualRank) ?? []), lease]);
          mayBeLeased = true;
        }
      } catch (error) {
        obstacle = errorMessage(error);
        mayBeLeased = true;
        await pause(RETRY_MS, ended);
      }
    }
  };

  const complete = (leases: readonly Lease[]): void => {
    completions = [...completions, ...leases].slice(-KEPT_COMPLETIONS);
    if (!isCompleting) void completeAll();
  };
  /** Completing a done or missing shard is not an error: the queue returns false. */
  const completeAll = async (): Promise<void> => {
    isCompleting = true;
    while (completions.length > 0 && !ended.aborted) {
      const [lease] = completions as [Lease];
      try {
        await queue.complete(lease);
        completions = completions.filter((each) => each !== lease);
      } catch {
        await pause(RETRY_MS, ended); // Redis is unreachable; `enter` reports it when it matters
      }
    }
    isCompleting = false;
  };

  let isExtending = false;
  const extend = async (): Promise<void> => {
    if (isExtending) return;
    isExtending = true;
    try {
      for (const leases of held.values()) await queue.extend(leases);
    } catch {
      // Retried at the next interval; a lock only shows who is alive.
    }
    isExtending = false;
  };
  const timer = setInterval(() => void extend(), extendEveryMs);
  const stop = (): void => clearInterval(timer);
  ended.addEventListener('abort', stop, { once: true });

  /** Waits for `leases`; reports the reason when that takes long, and again when the reason changes. */
  const awaited = async (leases: Promise<Lease[]>): Promise<void> => {
    let told = '';
    const notice = setInterval(() => {
      if (obstacle === '' || obstacle === told) return;
      told = obstacle;
      onWaiting(told);
    }, noticeMs);
    try {
      await leases;
    } finally {
      clearInterval(notice);
      obstacle = '';
      if (told !== '') onWaiting(undefined);
    }
  };

  return {
    async enter(step) {
      const window = windowOfStep(schedule, step);
      await awaited(leaseWindow(window));
      const next = window.firstStep + window.steps;
      if (next < schedule.totalSteps) leaseWindow(windowOfStep(schedule, next));
    },
    leave(step) {
      const window = windowOfStep(schedule, step);
      if (step !== window.firstStep + window.steps - 1) return;
      const leases = windows.get(window.firstStep);
      windows.delete(window.firstStep);
      held.delete(window.firstStep);
      leases?.then(complete, () => undefined);
    },
    async close() {
      closing.abort();
      stop();
    },
  };
}
