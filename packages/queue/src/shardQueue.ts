import type { Shard } from '@maestro/data';
import { isMaestroError, MaestroError } from '@maestro/protocol';
import { connectRedis, type RedisConnection } from '@maestro/redis';
import type { Queue, QueueOptions } from 'bullmq';

/**
 * Number of completed shards remembered per virtual rank, so that enqueueing one again is a no-op; shards are enqueued at most two windows
 * ahead, so a restarted coordinator repeats no older ones. All other data of a completed shard is removed from Redis.
 */
const KEPT_COMPLETED = 4;
/** BullMQ records each state change in a stream that nobody here reads. */
const MAX_EVENTS = 10;
const QUEUE_PREFIX = 'maestro';

/** Loads BullMQ, which takes a while: services do it at start, programs without queues never. */
export const loadBullmq = (): Promise<typeof import('bullmq')> => import('bullmq');

/** A shard being worked on. Its lock belongs to (job, virtual rank): the rank's current owner may renew and complete it. */
export interface Lease {
  readonly shard: Shard;
}

/** Numbers of waiting and leased shards of a virtual rank. */
export interface ShardDepth {
  readonly virtualRank: number;
  readonly waiting: number;
  readonly leased: number;
}

/**
 * The shards of one generation of a job: a BullMQ queue per virtual rank, first in, first out. The ledger, not the queue, records what is
 * committed. Each generation has its own queues: a member of an old one can only touch queues that nobody reads any more.
 */
export interface ShardQueue {
  /** Appends shards. A shard that is waiting, leased or recently completed is not added again. */
  enqueue(shards: readonly Shard[]): Promise<void>;
  /** Leases the rank's next shard; undefined when none is waiting. */
  lease(virtualRank: number): Promise<Lease | undefined>;
  /**
   * Returns the leased shards of a rank, oldest first, and renews their locks: for an owner that has lost an answer, or takes the rank
   * over.
   */
  takeOver(virtualRank: number): Promise<Lease[]>;
  /**
   * Renews the locks, including expired ones. Throws `conflict` naming a shard that is no longer leased: it was completed or the generation
   * has ended.
   */
  extend(leases: readonly Lease[]): Promise<void>;
  /** Completes a shard. Returns false when it was already completed, by anyone, or removed with its generation. */
  complete(lease: Lease): Promise<boolean>;
  /** Removes every shard of the generation, including leased ones. */
  clear(): Promise<void>;
  depth(): Promise<ShardDepth[]>;
  close(): Promise<void>;
}

/**
 * Opens the shard queue of a generation; coordinator and workers each open their own. All virtual ranks share one connection. An expired
 * lock is never taken away (no stalled check runs): a rank changes owner only with a new view.
 *
 * Every call fails with `redis-unavailable` when Redis does not answer in time, and may be repeated. {@link ShardQueue.takeOver} finds a
 * lease whose answer was lost.
 *
 * @param redis a connection to share, which stays open when the queue is closed, or the URL of one to open.
 * @param lockMs duration of a lease's lock unless extended: it shows whether an owner is alive (default 30 000).
 */
export async function openShardQueue({
  redis: given,
  jobId,
  generation,
  virtualRanks,
  lockMs = 30_000,
  timeoutMs = 10_000,
}: {
  readonly redis: RedisConnection | string;
  readonly jobId: string;
  readonly generation: number;
  readonly virtualRanks: number;
  readonly lockMs?: number;
  readonly timeoutMs?: number;
}): Promise<ShardQueue> {
  const { Job, Queue } = await loadBullmq();
  const redis = typeof given === 'string' ? await connectRedis(given, { timeoutMs }) : given;
  // `lockDuration` is a worker's option that the backend's moveToActive reads from here: leasing needs no BullMQ worker, each of which
  // would hold a blocking connection of its own.
  const options: QueueOptions & { lockDuration: number } = {
    connection: redis.client,
    prefix: QUEUE_PREFIX,
    lockDuration: lockMs,
    skipVersionCheck: true, // it would only warn of an eviction policy, for each queue; the coordinator refuses it: see requireNoEviction
    skipWaitingForReady: true, // the connection queues calls until Redis is up, and each has its deadline
    skipMetasUpdate: true, // enqueue does it
    defaultJobOptions: { removeOnComplete: KEPT_COMPLETED, removeOnFail: KEPT_COMPLETED, attempts: 1 },
  };
  const queues = Array.from({ length: virtualRanks }, (_, rank) => {
    const queue = new Queue<Shard>(`${shardQueueName(jobId, generation)}-${rank}`, options);
    queue.on('error', () => undefined); // the connection keeps its last error and every call reports it
    return queue;
  });
  const queueOf = (virtualRank: number): Queue<Shard> => {
    const queue = queues[virtualRank];
    if (queue === undefined) throw new MaestroError('internal', `internal: virtual rank ${virtualRank} of ${virtualRanks}`);
    return queue;
  };
  const tokenOf = (virtualRank: number): string => `${jobId}/${virtualRank}`;
  const lockKey = (queue: Queue<Shard>, id: string): string => `${queue.toKey(id)}:lock`;

  /** An expired lock is set again: the token identifies its owner, and nobody else takes a leased shard. */
  const relock = async ({ shard }: Lease): Promise<void> => {
    const queue = queueOf(shard.virtualRank);
    const id = shardId(shard);
    const token = tokenOf(shard.virtualRank);
    if ((await queue.getBackend().extendLock(id, token, lockMs)) === 1) return;
    if ((await queue.getJobState(id)) !== 'active') {
      throw new MaestroError('conflict', `shard ${id} of virtual rank ${shard.virtualRank} of ${jobId} is no longer leased`);
    }
    await redis.client.set(lockKey(queue, id), token, 'PX', lockMs);
  };

  const lease = async (virtualRank: number): Promise<Lease | undefined> => {
    const queue = queueOf(virtualRank);
    const [data, id] = await queue.getBackend().moveToActive(tokenOf(virtualRank), '');
    return data && id ? { shard: Job.fromJSON<Shard>(queue, data, id).data } : undefined;
  };

  const complete = async ({ shard }: Lease): Promise<boolean> => {
    const queue = queueOf(shard.virtualRank);
    const job = await Job.fromId<Shard>(queue, shardId(shard));
    if (job === undefined || (await job.getState()) !== 'active') return false;
    try {
      await relock({ shard });
      await job.moveToCompleted(null, tokenOf(shard.virtualRank), false);
      return true;
    } catch (error) {
      // Another owner of the rank was faster between the check and the move.
      if (isMaestroError(error, 'conflict') || (await queue.getJobState(shardId(shard))) !== 'active') return false;
      throw error;
    }
  };

  return {
    enqueue: (shards) =>
      redis.call('enqueue shards', async () => {
        const jobsByRank = queues.map((): Parameters<Queue<Shard>['addBulk']>[0] => []);
        for (const shard of shards) jobsByRank[shard.virtualRank]!.push({ name: 'shard', data: shard, opts: { jobId: shardId(shard) } });
        await Promise.all(
          queues.map(async (queue, rank) => {
            if (jobsByRank[rank]!.length === 0) return;
            // Not once at the start, because clear() removes this setting too.
            await queue.getBackend().setQueueMeta({ 'opts.maxLenEvents': MAX_EVENTS });
            await queue.addBulk(jobsByRank[rank]!);
          }),
        );
      }),
    lease: (virtualRank) => redis.call('lease a shard', () => lease(virtualRank)),
    takeOver: (virtualRank) =>
      redis.call('take over leases', async () => {
        const active = await queueOf(virtualRank).getActive();
        const leases = active.map(({ data }) => ({ shard: data })).sort((a, b) => a.shard.firstStep - b.shard.firstStep);
        for (const leased of leases) await relock(leased);
        return leases;
      }),
    extend: (leases) => redis.call('extend leases', async () => void (await Promise.all(leases.map(relock)))),
    complete: (leased) => redis.call('complete a shard', () => complete(leased)),
    clear: () =>
      redis.call('clear shards', async () => {
        for (const queue of queues) await queue.obliterate({ force: true });
      }),
    depth: () =>
      redis.call('count shards', () =>
        Promise.all(
          queues.map(async (queue, virtualRank) => {
            const { wait = 0, active = 0 } = await queue.getJobCounts('wait', 'active');
            return { virtualRank, waiting: wait, leased: active };
          }),
        ),
      ),
    close: async () => {
      await Promise.all(queues.map((queue) => queue.close()));
      if (typeof given === 'string') await redis.close();
    },
  };
}

/** Returns the name prefix of a generation's queues. */
const shardQueueName = (jobId: string, generation: number): string => `shards-${jobId}-g${generation}`;

/**
 * Lists the generations of a job that have left queues in Redis.
 * @throws MaestroError `redis-unavailable`.
 */
export async function listShardGenerations({ client, call }: RedisConnection, jobId: string): Promise<number[]> {
  const prefix = `${QUEUE_PREFIX}:shards-${jobId}-g`;
  const generations = new Set<number>();
  await call('list shard queues', async () => {
    for await (const keys of client.scanStream({ match: `${prefix}*`, count: 1000 })) {
      for (const key of keys as string[]) generations.add(Number.parseInt(key.slice(prefix.length), 10));
    }
  });
  return [...generations].sort((a, b) => a - b);
}

/** Equal for the same shard of the same job, so that enqueueing twice adds it once. */
const shardId = ({ epoch, window }: Shard): string => `e${epoch}-w${window}`;
