import { openShardQueue, type Schedule, type ShardQueue, shardsOfWindow, windowOfStep } from '@maestro/data';

/** Keeps a job's queues filled with the shards of the window under way and of the next one. */
export interface ShardWriter {
  readonly schedule: Schedule;
  /** Puts the shards of the window of `step`, and of the one after it, into the queues; idempotent. */
  enqueueAround(step: number): Promise<void>;
  /** Removes the job's queues. */
  close(): Promise<void>;
}

/** Opens the queues of a job and empties them of what an earlier start left. */
export function openShardWriter({
  redisUrl,
  jobId,
  schedule,
}: {
  readonly redisUrl: string;
  readonly jobId: string;
  readonly schedule: Schedule;
}): ShardWriter {
  let opening: Promise<ShardQueue> | undefined;
  let enqueuedUntil = -1;
  const open = async (): Promise<ShardQueue> => {
    const queue = await openShardQueue({ redis: redisUrl, jobId, generation: 1, virtualRanks: schedule.virtualRanks });
    await queue.clear();
    return queue;
  };
  return {
    schedule,
    async enqueueAround(step) {
      opening ??= open();
      const queue = await opening;
      let at = step;
      for (let windows = 0; windows < 2 && at < schedule.totalSteps; windows++) {
        const window = windowOfStep(schedule, at);
        if (window.firstStep > enqueuedUntil) {
          await queue.enqueue(shardsOfWindow(schedule, window));
          enqueuedUntil = window.firstStep;
        }
        at = window.firstStep + window.steps;
      }
    },
    async close() {
      const queue = await opening;
      await queue?.clear();
      await queue?.close();
    },
  };
}
