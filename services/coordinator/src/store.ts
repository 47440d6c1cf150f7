import type { RedisConnection } from '@maestro/data';
import type { Job, ViewMember } from '@maestro/protocol';

/** One committed step as it goes into the ledger: the shards of its window, and who works each. */
export interface LedgerEntry {
  readonly jobId: string;
  readonly generation: number;
  /** Steps done, this one included. */
  readonly step: number;
  readonly images: number;
  readonly epoch: number;
  /** The window of the step, counted from 0 in each epoch. */
  readonly window: number;
  readonly members: readonly ViewMember[];
}

/** What became of a ledger entry: written, known already, or from a generation that has been superseded. */
export type LedgerResult = 'committed' | 'known' | 'stale';

/** What the coordinator keeps in Redis: job records, the ledger, its incarnation. */
export interface Store {
  /** Counts this start of the coordinator; rises at each start. */
  nextIncarnation(): Promise<number>;
  saveJob(job: Job): Promise<void>;
  loadJobs(): Promise<Job[]>;
  /** Reserves `key` for `jobId`; gives the id that holds it, which is another when the key was used before. */
  reserveKey(key: string, jobId: string): Promise<string>;
  /** Writes a step and its shards in one atomic script; idempotent, and fenced by the generation. */
  commitStep(entry: LedgerEntry): Promise<LedgerResult>;
}

const PREFIX = 'maestro';
const KEY_TTL_SECONDS = 7 * 24 * 3600;

/**
 * KEYS: the job's ledger. ARGV: generation, step, images, then pairs of shard field and worker id.
 * The ledger is a hash of `generation`, `step`, `images`, and for each shard `shard:<epoch>:<window>:<virtual rank>` -> `<last step> <generation> <worker>`.
 */
const COMMIT_SCRIPT = `
local generation, step = tonumber(ARGV[1]), tonumber(ARGV[2])
local seen = redis.call('HMGET', KEYS[1], 'generation', 'step')
if seen[1] and generation < tonumber(seen[1]) then return 'stale' end
if seen[2] and step <= tonumber(seen[2]) then return 'known' end
redis.call('HSET', KEYS[1], 'generation', generation, 'step', step)
redis.call('HINCRBY', KEYS[1], 'images', ARGV[3])
for i = 4, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], step .. ' ' .. generation .. ' ' .. ARGV[i + 1]) end
return 'committed'
`;

/** The coordinator's store on `redis`. Every failure is a MaestroError `redis-unavailable` that names the operation. */
export function createStore({ client, call }: RedisConnection): Store {
  return {
    nextIncarnation: () => call('count the start', () => client.incr(`${PREFIX}:incarnation`)),
    saveJob: (job) => call(`save ${job.id}`, async () => void (await client.hset(`${PREFIX}:jobs`, job.id, JSON.stringify(job)))),
    loadJobs: () =>
      call('load jobs', async () => {
        const records = await client.hgetall(`${PREFIX}:jobs`);
        return Object.keys(records)
          .sort()
          .map((id) => JSON.parse(records[id]!) as Job);
      }),
    reserveKey: (key, jobId) =>
      call('reserve an idempotency key', async () => {
        const name = `${PREFIX}:key:${key}`;
        const taken = await client.set(name, jobId, 'EX', KEY_TTL_SECONDS, 'NX');
        return taken === 'OK' ? jobId : ((await client.get(name)) ?? jobId);
      }),
    commitStep: ({ jobId, generation, step, images, epoch, window, members }) =>
      call(`write the ledger of ${jobId}`, async () => {
        const shards = members.flatMap(({ id, firstRank, ranks }) =>
          Array.from({ length: ranks }, (_, i) => [`shard:${epoch}:${window}:${firstRank + i}`, id]).flat(),
        );
        return (await client.eval(COMMIT_SCRIPT, 1, `${PREFIX}:job:${jobId}:ledger`, generation, step, images, ...shards)) as LedgerResult;
      }),
  };
}
