import { type Lease, type Schedule, type ShardQueue, type StepWindow, windowOfStep } from '@maestro/data';

/** A member's side of the shard queues: the leases of its virtual ranks, window by window. */
export interface ShardReader {
  /** Waits until the shards of the window of `step` are leased, and starts to lease the window after it. */
  enter(step: number): Promise<void>;
  /** Completes the window's shards when `step` was the last of its window. */
  leave(step: number): Promise<void>;
  /** Waits for what is under way. Leases that are held stay for the next owner of the virtual ranks. */
  close(): Promise<void>;
}

/** What a shard reader needs. */
export interface ShardReaderOptions {
  readonly queue: ShardQueue;
  readonly schedule: Schedule;
  /** The member's virtual ranks. */
  readonly virtualRanks: readonly number[];
  /** Renews the locks so often, in milliseconds; well below how long they last. */
  readonly extendEveryMs?: number;
  /** Told of a renewal that failed; the locks only show who is alive, so the work goes on. */
  readonly onExtendFailure: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** Opens a shard reader. Its methods throw `redis-unavailable` or the signal's `cancelled`. */
export function openShardReader({
  queue,
  schedule,
  virtualRanks,
  extendEveryMs = 10_000,
  onExtendFailure,
  signal,
}: ShardReaderOptions): ShardReader {
  const held = new Map<number, Promise<Lease[]>>();

  const leaseWindow = (window: StepWindow): Promise<Lease[]> => {
    const known = held.get(window.firstStep);
    if (known !== undefined) return known;
    const leases = Promise.all(virtualRanks.map((rank) => queue.waitForLease(rank, signal)));
    leases.catch(() => undefined); // reported by the step that needs them
    held.set(window.firstStep, leases);
    return leases;
  };

  const extend = async (): Promise<void> => {
    try {
      for (const leases of held.values()) await queue.extend(await leases);
    } catch (error) {
      if (!signal.aborted) onExtendFailure(error);
    }
  };
  let extending: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    extending = extend();
  }, extendEveryMs);

  return {
    async enter(step) {
      const window = windowOfStep(schedule, step);
      await leaseWindow(window);
      const next = window.firstStep + window.steps;
      if (next < schedule.totalSteps) leaseWindow(windowOfStep(schedule, next));
    },
    async leave(step) {
      const window = windowOfStep(schedule, step);
      if (step !== window.firstStep + window.steps - 1) return;
      const leases = await leaseWindow(window);
      held.delete(window.firstStep);
      await Promise.all(leases.map((lease) => queue.complete(lease)));
    },
    async close() {
      clearInterval(timer);
      await Promise.allSettled([extending, ...held.values()]);
    },
  };
}
