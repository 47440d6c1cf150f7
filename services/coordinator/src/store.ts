import type { RedisConnection, Schedule } from '@maestro/data';
import { failureTimeouts, type Job, type MaestroError } from '@maestro/protocol';
import { acquireLease, FIRST_ARG, FIRST_KEY, type LeaseTimes, type ServedAt } from './lease.ts';
import {
  COMMIT_SCRIPT,
  type CommitResult,
  commitArgs,
  type EpochRow,
  FOLD_SCRIPT,
  type Ledger,
  type LedgerEntry,
  type LedgerHead,
  ledgerKey,
  OPEN_SCRIPT,
  parseLedger,
  parseShard,
  type ShardRow,
  shardField,
} from './ledger.ts';

/** A job's record for clients, and its run as the coordinator left it (`undefined` when none was saved). */
export interface StoredJob {
  readonly job: Job;
  readonly run: unknown;
}

/**
 * What the coordinator keeps in Redis: job records, runs, ledgers, its incarnation. Every write is made only while this coordinator holds
 * the lease, checked in the same atomic script.
 *
 * Every method throws `redis-unavailable`, and may be repeated; those that write throw `conflict` ("fenced: ...") for good once another
 * coordinator has taken over.
 */
export interface Store {
  /** Rises at each start of a coordinator, and with {@link Store.raiseIncarnation}. */
  readonly incarnation: number;
  /** Resolves when another coordinator has taken over: this process must end. */
  readonly fenced: Promise<MaestroError>;
  /** Tells others where this one serves. */
  announce(at: ServedAt): Promise<void>;
  /** Takes a new incarnation, above `seen`: for when Redis has forgotten the one that workers remember. */
  raiseIncarnation(seen: number): Promise<number>;
  /** Throws `conflict` unless this coordinator still holds the lease: for writes that have no script of ours. */
  requireLease(): Promise<void>;
  saveJob(job: Job): Promise<void>;
  /** `run` is kept as JSON. */
  saveRun(jobId: string, run: unknown): Promise<void>;
  /** All jobs, oldest first. */
  loadJobs(): Promise<StoredJob[]>;
  /** Reserves `key` for `jobId`; gives the id that holds it, which is another when the key was used before. */
  reserveKey(key: string, jobId: string): Promise<string>;
  /** Opens the job's ledger at its first step, or a generation that starts at `step` in it; idempotent. Gives the steps committed. */
  openGeneration(of: {
    readonly jobId: string;
    readonly generation: number;
    readonly step: number;
    readonly samples: number;
    readonly firstStep: number;
  }): Promise<number>;
  /** Writes a step with the shards of its window in one atomic script; idempotent. */
  commitStep(entry: LedgerEntry): Promise<CommitResult>;
  /** The shards of an epoch that have rows. */
  loadShards(jobId: string, epoch: number, schedule: Schedule): Promise<ShardRow[]>;
  /** Puts one row in place of the shards of an epoch; idempotent. */
  foldEpoch(jobId: string, row: EpochRow, schedule: Schedule): Promise<void>;
  /** The ledger as it is at one moment; `undefined` before the job's first view. */
  loadLedger(jobId: string): Promise<Ledger | undefined>;
  /** Steps committed and generation, without the rows. */
  ledgerHead(jobId: string): Promise<LedgerHead | undefined>;
  /** Memory that the ledger takes in Redis. */
  ledgerBytes(jobId: string): Promise<number>;
  /** Calls `listener` when Redis is back after it was away; gives the way to stop. */
  onReturn(listener: () => void): () => void;
  /** Gives the lease back; the store cannot be used after. */
  close(): Promise<void>;
}

const JOBS_KEY = 'maestro:jobs';
const RUNS_KEY = 'maestro:runs';
const KEY_TTL_SECONDS = 7 * 24 * 3600;
/** Samples of the hash that Redis measures for its size. */
const SIZE_SAMPLES = 100;

const SAVE_SCRIPT = `return redis.call('HSET', KEYS[${FIRST_KEY}], ARGV[${FIRST_ARG}], ARGV[${FIRST_ARG + 1}])`;
const RESERVE_SCRIPT = `
local key, job = KEYS[${FIRST_KEY}], ARGV[${FIRST_ARG}]
if redis.call('SET', key, job, 'EX', ${KEY_TTL_SECONDS}, 'NX') then return job end
return redis.call('GET', key)
`;

/**
 * Opens the coordinator's store on `redis`: takes the lease, and a new incarnation.
 * @throws MaestroError `conflict` naming the coordinator that works on this Redis, `redis-unavailable`.
 */
export async function openStore(redis: RedisConnection, times: LeaseTimes = failureTimeouts()): Promise<Store> {
  const { client, call, onReturn } = redis;
  const lease = await acquireLease(redis, times);
  const { fenced, run } = lease;
  const save = async (what: string, key: string, id: string, value: unknown): Promise<void> =>
    void (await run(what, SAVE_SCRIPT, [key], [id, JSON.stringify(value)]));

  return {
    get incarnation() {
      return lease.incarnation;
    },
    fenced,
    announce: lease.announce,
    raiseIncarnation: lease.raise,
    requireLease: () => run('check the lease', '', [], []),
    saveJob: (job) => save(`save ${job.id}`, JOBS_KEY, job.id, job),
    saveRun: (jobId, record) => save(`save the run of ${jobId}`, RUNS_KEY, jobId, record),
    loadJobs: () =>
      call('load jobs', async () => {
        const [jobs, runs] = await Promise.all([client.hgetall(JOBS_KEY), client.hgetall(RUNS_KEY)]);
        return Object.keys(jobs)
          .sort()
          .map((id) => ({
            job: JSON.parse(jobs[id]!) as Job,
            run: runs[id] === undefined ? undefined : (JSON.parse(runs[id]) as unknown),
          }));
      }),
    reserveKey: (key, jobId) => run('reserve an idempotency key', RESERVE_SCRIPT, [`maestro:key:${key}`], [jobId]),
    openGeneration: ({ jobId, generation, step, samples, firstStep }) =>
      run(`open generation ${generation} of ${jobId}`, OPEN_SCRIPT, [ledgerKey(jobId)], [generation, step, samples, firstStep]),
    commitStep: (entry) => run(`write the ledger of ${entry.jobId}`, COMMIT_SCRIPT, [ledgerKey(entry.jobId)], commitArgs(entry)),
    loadShards: (jobId, epoch, { windowsPerEpoch, virtualRanks }) =>
      call(`read epoch ${epoch} of ${jobId}`, async () => {
        const fields = Array.from({ length: windowsPerEpoch * virtualRanks }, (_, i) =>
          shardField({ epoch, window: Math.floor(i / virtualRanks), virtualRank: i % virtualRanks }),
        );
        const values = await client.hmget(ledgerKey(jobId), ...fields);
        return fields.flatMap((field, i) =>
          values[i] == null ? [] : [parseShard(field, values[i])].filter((shard) => shard !== undefined),
        );
      }),
    foldEpoch: async (jobId, row, { windowsPerEpoch, virtualRanks }) => {
      const args = [row.epoch, JSON.stringify(row), windowsPerEpoch, virtualRanks];
      await run(`fold epoch ${row.epoch} of ${jobId}`, FOLD_SCRIPT, [ledgerKey(jobId)], args);
    },
    loadLedger: (jobId) => call(`read the ledger of ${jobId}`, async () => parseLedger(await client.hgetall(ledgerKey(jobId)))),
    ledgerHead: (jobId) =>
      call(`read the ledger of ${jobId}`, async () => {
        const [step, firstStep, generation] = await client.hmget(ledgerKey(jobId), 'step', 'first', 'generation');
        return step == null ? undefined : { step: Number(step), firstStep: Number(firstStep), generation: Number(generation) };
      }),
    ledgerBytes: (jobId) =>
      call(`measure the ledger of ${jobId}`, async () => (await client.memory('USAGE', ledgerKey(jobId), 'SAMPLES', SIZE_SAMPLES)) ?? 0),
    onReturn,
    close: lease.release,
  };
}
