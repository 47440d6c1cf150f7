import { type Schedule, shardsOfWindow, windowOfStep } from '@maestro/data';
import { MaestroError } from '@maestro/protocol';
import { listShardGenerations, openShardQueue, type ShardQueue } from '@maestro/queue';
import type { RedisConnection } from '@maestro/redis';

/**
 * Keeps the queues of a job's generation filled with the shards of the current and the next window. Every call is idempotent; errors of
 * Redis or the network are thrown as `redis-unavailable`.
 */
export interface ShardWriter {
  readonly schedule: Schedule;
  /** Fills the queues of a new generation for `step`; those of older ones are removed in the background. */
  openGeneration(generation: number, step: number): Promise<void>;
  /** Adds the shards of the window of `step`, and of the next one, to the generation's queues. */
  enqueueAround(step: number): Promise<void>;
  /** The same, when Redis may have lost what was written. */
  repair(step: number): Promise<void>;
  /** Removes all queues of the job. */
  remove(): Promise<void>;
  /** Stops the background work; what is in Redis stays. */
  close(): Promise<void>;
}

/** Options of {@link openShardWriter}. */
export interface ShardWriterOptions {
  readonly redis: RedisConnection;
  readonly jobId: string;
  readonly schedule: Schedule;
  /** Called before each change, which has no fenced script of its own; throws when this coordinator must not write. */
  readonly requireLease: () => Promise<void>;
  /** Called with the error for queues that could not be removed; removal is retried with the next generation and at the job's end. */
  readonly onLeftBehind: (error: unknown) => void;
}

/** Opens a shard writer; nothing is written before the first generation is opened. */
export function openShardWriter({ redis, jobId, schedule, requireLease, onLeftBehind }: ShardWriterOptions): ShardWriter {
  const { virtualRanks, totalSteps } = schedule;
  let current: { readonly generation: number; readonly queue: ShardQueue } | undefined;
  let enqueuedUntil = -1;
  let cleaning: Promise<void> = Promise.resolve();

  /** Queues are looked up in Redis and not remembered: an earlier coordinator may have left some, and so may a member that woke up late. */
  const removeBelow = async (generation: number): Promise<void> => {
    for (const old of await listShardGenerations(redis, jobId)) {
      if (old >= generation) continue;
      await requireLease();
      const queue = await openShardQueue({ redis, jobId, generation: old, virtualRanks });
      try {
        await queue.clear();
      } finally {
        await queue.close();
      }
    }
  };
  const clean = (): void => {
    const { generation } = current!;
    cleaning = cleaning.then(() => removeBelow(generation)).catch(onLeftBehind);
  };

  const enqueue = async (step: number): Promise<void> => {
    if (current === undefined) throw new MaestroError('internal', `internal: shards of ${jobId} before its first generation`);
    let at = step;
    for (let windows = 0; windows < 2 && at < totalSteps; windows++) {
      const window = windowOfStep(schedule, at);
      if (window.firstStep > enqueuedUntil) {
        await requireLease();
        await current.queue.enqueue(shardsOfWindow(schedule, window));
        enqueuedUntil = window.firstStep;
      }
      at = window.firstStep + window.steps;
    }
  };
  const repair = (step: number): Promise<void> => {
    enqueuedUntil = -1;
    return enqueue(step);
  };

  return {
    schedule,
    async openGeneration(generation, step) {
      if (current?.generation !== generation) {
        const queue = await openShardQueue({ redis, jobId, generation, virtualRanks });
        await current?.queue.close();
        current = { generation, queue };
      }
      await repair(step);
      clean();
    },
    enqueueAround: enqueue,
    repair,
    async remove() {
      await cleaning;
      await removeBelow(Number.POSITIVE_INFINITY);
    },
    async close() {
      await current?.queue.close();
      await cleaning;
    },
  };
}
