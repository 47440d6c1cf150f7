import type { View } from '@maestro/protocol';
import { openShardQueue } from '@maestro/queue';
import type { JobSession } from '../session/jobSession.ts';
import { openShardReader, type ShardReader } from './shardReader.ts';

/** Options of {@link openViewShards}. */
export interface ViewShardsOptions {
  readonly session: Pick<JobSession, 'jobId' | 'schedule' | 'redis'>;
  readonly view: Pick<View, 'generation'>;
  /** The member's virtual ranks. */
  readonly virtualRanks: readonly number[];
  /** False for the bench that measures the cost of leasing. */
  readonly isFaultTolerant: boolean;
  readonly onWaiting: (reason: string | undefined) => void;
  readonly signal: AbortSignal;
}

/** Opens a member's side of a view's shard queues. */
export async function openViewShards({ session, view, isFaultTolerant, ...options }: ViewShardsOptions): Promise<ShardReader> {
  if (!isFaultTolerant) return { enter: async () => undefined, leave: () => undefined, close: async () => undefined };
  const { redis, jobId, schedule } = session;
  const queue = await openShardQueue({ redis, jobId, generation: view.generation, virtualRanks: schedule.virtualRanks });
  const { virtualRanks, onWaiting, signal } = options;
  const reader = openShardReader({ queue, schedule, virtualRanks, onWaiting, signal });
  return {
    ...reader,
    async close() {
      await reader.close();
      await queue.close();
    },
  };
}
