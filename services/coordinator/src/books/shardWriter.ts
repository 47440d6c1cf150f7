import { type Schedule, shardsOfWindow, windowOfStep } from '@maestro/data';
import { MaestroError } from '@maestro/protocol';
import { listShardGenerations, openShardQueue, type ShardQueue } from '@maestro/queue';
import type { RedisConnection } from '@maestro/redis';

/**
 * Keeps the queues of a job's generation filled with the shards of the window under way and of the next one. Everything may be called
 * again; what Redis or the network does wrong is thrown as `redis-unavailable`.
 */
export interface ShardWriter {
  readonly schedule: Schedule;
  /** Fills the queues of a new generation for `step`; those of older ones are removed in the background. */
  openGeneration(generation: number, step: number): Promise<void>;
  /** Puts the shards of the window of `step`, and of the one after it, into the generation's queues. */
  enqueueAround(step: number): Promise<void>;
  /** The same, for when Redis may have forgotten what it was told. */
  repair(step: number): Promise<void>;
  /** Removes all queues of the job. */
  remove(): Promise<void>;
  /** Ends the background work; what is in Redis stays. */
  close(): Promise<void>;
}

/** What a shard writer needs. */
export interface ShardWriterOptions {
  readonly redis: RedisConnection;
  readonly jobId: string;
  readonly schedule: Schedule;
  /** Called before each change, which has no fenced script of its own; throws when this coordinator must not write. */
  readonly requireLease: () => Promise<void>;
  /** Told of queues that could not be removed; that is tried again with the next generation and at the job's end. */
  readonly onLeftBehind: (error: unknown) => void;
}

/** Opens a shard writer; nothing is written before the first generation is opened. */
export function openShardWriter({ redis, jobId, schedule, requireLease, onLeftBehind }: ShardWriterOptions): ShardWriter {
  const { virtualRanks, totalSteps } = schedule;
  let current: { readonly generation: number; readonly queue: ShardQueue } | undefined;
  let enqueuedUntil = -1;
  let cleaning: Promise<void> = Promise.resolve();

  /** Queues are found in Redis and not remembered: an earlier coordinator left some, and so did a member that woke up late. */
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
