import { randomUUID } from 'node:crypto';
import type { Schedule } from '@maestro/data';
import { failureTimeouts, type Job, type MaestroError } from '@maestro/protocol';
import type { RedisConnection } from '@maestro/redis';
import type { Logger } from '@maestro/telemetry';
import { acquireLease, asidePrefix, FIRST_ARG, FIRST_KEY, type LeaseTimes, type ServedAt } from './lease.ts';
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

/** A job's record for clients, and its run as last saved by the coordinator (`undefined` when there was none). */
export interface StoredJob {
  readonly job: Job;
  readonly run: unknown;
}

/**
 * The coordinator's data in Redis: job records, runs, ledgers, its incarnation. Every write is made only while this coordinator holds the
 * lease, checked in the same atomic script.
 *
 * Every method throws `redis-unavailable`, and may be repeated; those that write throw `conflict` ("fenced: ...") permanently once another
 * coordinator has taken over.
 */
export interface Store {
  /** Increases at each start of a coordinator, and with {@link Store.raiseIncarnation}. */
  readonly incarnation: number;
  /** Resolves when another coordinator has taken over: this process must end. */
  readonly fenced: Promise<MaestroError>;
  /** Publishes the addresses at which this coordinator serves. */
  announce(at: ServedAt): Promise<void>;
  /** Takes a new incarnation, above `seen`: used when Redis has lost the one that workers remember. */
  raiseIncarnation(seen: number): Promise<number>;
  /** Throws `conflict` unless this coordinator still holds the lease: for writes without a script of ours. */
  requireLease(): Promise<void>;
  saveJob(job: Job): Promise<void>;
  /** Saves `run` as JSON. */
  saveRun(jobId: string, run: unknown): Promise<void>;
  /** Loads all jobs, oldest first. Records that are not JSON are set aside, like {@link Store.setAside} does. */
  loadJobs(): Promise<StoredJob[]>;
  /** Moves an unreadable record to another key and logs it. */
  setAside(what: 'job' | 'run', jobId: string, problem: string): Promise<void>;
  /** Sets aside whatever is in the place of a job's ledger unless it is one. */
  requireLedger(jobId: string): Promise<void>;
  /** Reserves `key` for `jobId`; returns the id that holds it, which is another when the key was used before. */
  reserveKey(key: string, jobId: string): Promise<string>;
  /** Opens the job's ledger at its first step, or a generation that starts at `step` in it; idempotent. Returns the committed steps. */
  openGeneration(of: {
    readonly jobId: string;
    readonly generation: number;
    readonly step: number;
    readonly samples: number;
    readonly firstStep: number;
  }): Promise<number>;
  /** Writes a step with the shards of its window in one atomic script; idempotent. */
  commitStep(entry: LedgerEntry): Promise<CommitResult>;
  /** Loads the shards of an epoch that have rows. */
  loadShards(jobId: string, epoch: number, schedule: Schedule): Promise<ShardRow[]>;
  /** Replaces the shards of an epoch by one row; idempotent. */
  foldEpoch(jobId: string, row: EpochRow, schedule: Schedule): Promise<void>;
  /** Loads a consistent snapshot of the ledger; `undefined` before the job's first view. */
  loadLedger(jobId: string): Promise<Ledger | undefined>;
  /** Loads committed steps and generation, without the rows. */
  ledgerHead(jobId: string): Promise<LedgerHead | undefined>;
  /** Returns the ledger's memory in Redis, in bytes. */
  ledgerBytes(jobId: string): Promise<number>;
  /** Writes many records at once; an `undefined` run is left out. */
  saveAll(records: readonly StoredJob[]): Promise<void>;
  /** Removes everything stored for a job. */
  removeJob(jobId: string): Promise<void>;
  /** Returns the saved jobs whose records are no longer in Redis. */
  missingJobs(): Promise<string[]>;
  /** Reads the raw ledger, field by field; empty when there is none. */
  readLedgerFields(jobId: string): Promise<Readonly<Record<string, string>>>;
  /** Restores a ledger that Redis has lost; an existing one stays. */
  restoreLedger(jobId: string, fields: Readonly<Record<string, string>>): Promise<void>;
  /** Returns which of these jobs have no ledger in Redis. */
  withoutLedger(jobIds: readonly string[]): Promise<string[]>;
  /**
   * Calls `listener` when Redis returns after an outage, or was found to have lost data while it was reachable; returns a function that
   * stops it.
   */
  onReturn(listener: () => void): () => void;
  /** Like {@link Store.onReturn}, but only when records are lost. */
  onForgotten(listener: () => void): () => void;
  /** Releases the lease; the store cannot be used afterwards. */
  close(): Promise<void>;
}

const JOBS_KEY = 'maestro:jobs';
const RUNS_KEY = 'maestro:runs';
const KEY_TTL_SECONDS = 7 * 24 * 3600;
/** Number of hash fields that Redis samples to measure its size. */
const SIZE_SAMPLES = 100;

/** Names the coordinator that last saw all records intact: it never expires, so that it is missing only if other data may be too. */
const MARKER_KEY = 'maestro:marker';
/** Interval of notifications about records that stay missing although rewritten, as when Redis evicts them, in milliseconds. */
const TELL_AGAIN_MS = 10_000;

/** Returns 1 when the marker was missing or another's, and the numbers of records. */
const CHECK_SCRIPT = `
local isLost = redis.call('GET', KEYS[${FIRST_KEY}]) ~= ARGV[${FIRST_ARG}]
if isLost then redis.call('SET', KEYS[${FIRST_KEY}], ARGV[${FIRST_ARG}]) end
return { isLost and 1 or 0, redis.call('HLEN', KEYS[${FIRST_KEY + 1}]), redis.call('HLEN', KEYS[${FIRST_KEY + 2}]) }
`;
const SAVE_ALL_SCRIPT = `
for i = ${FIRST_ARG}, #ARGV, 3 do
  redis.call('HSET', KEYS[${FIRST_KEY}], ARGV[i], ARGV[i + 1])
  if ARGV[i + 2] ~= '' then redis.call('HSET', KEYS[${FIRST_KEY + 1}], ARGV[i], ARGV[i + 2]) end
end
`;
const REMOVE_SCRIPT = `
redis.call('HDEL', KEYS[${FIRST_KEY}], ARGV[${FIRST_ARG}])
redis.call('HDEL', KEYS[${FIRST_KEY + 1}], ARGV[${FIRST_ARG}])
redis.call('DEL', KEYS[${FIRST_KEY + 2}])
`;
const RESTORE_LEDGER_SCRIPT = `
if redis.call('EXISTS', KEYS[${FIRST_KEY}]) == 1 then return end
for i = ${FIRST_ARG}, #ARGV, 2 do redis.call('HSET', KEYS[${FIRST_KEY}], ARGV[i], ARGV[i + 1]) end
`;
const SAVE_SCRIPT = `return redis.call('HSET', KEYS[${FIRST_KEY}], ARGV[${FIRST_ARG}], ARGV[${FIRST_ARG + 1}])`;
const RESERVE_SCRIPT = `
local key, job = KEYS[${FIRST_KEY}], ARGV[${FIRST_ARG}]
if redis.call('SET', key, job, 'EX', ${KEY_TTL_SECONDS}, 'NX') then return job end
return redis.call('GET', key)
`;

const NO_RECORD = 'it is no JSON object';
/** Renames the first key to the second unless it is a hash or missing; returns 1 when it did. */
const REQUIRE_HASH_SCRIPT = `
local type = redis.call('TYPE', KEYS[${FIRST_KEY}]).ok
if type == 'none' or type == 'hash' then return 0 end
redis.call('RENAME', KEYS[${FIRST_KEY}], KEYS[${FIRST_KEY + 1}])
return 1
`;
/** The same unless it is a hash whose head consists of integers. */
const LEDGER_SCRIPT = `
local type = redis.call('TYPE', KEYS[${FIRST_KEY}]).ok
if type == 'none' then return 0 end
local isLedger = type == 'hash'
if isLedger then
  local head = redis.call('HMGET', KEYS[${FIRST_KEY}], 'generation', 'first', 'step', 'samples', 'images')
  for i = 1, 5 do
    local number = tonumber(head[i] or nil)
    if not number or number < 0 or number >= ${2 ** 52} or number % 1 ~= 0 then isLedger = false end
  end
end
if isLedger then return 0 end
redis.call('RENAME', KEYS[${FIRST_KEY}], KEYS[${FIRST_KEY + 1}])
return 1
`;
/** ARGV: the field. Moves it from the first hash to the second. */
const SET_ASIDE_SCRIPT = `
local value = redis.call('HGET', KEYS[${FIRST_KEY}], ARGV[${FIRST_ARG}])
if not value then return end
redis.call('HSET', KEYS[${FIRST_KEY + 1}], ARGV[${FIRST_ARG}], value)
redis.call('HDEL', KEYS[${FIRST_KEY}], ARGV[${FIRST_ARG}])
`;

/**
 * Opens the coordinator's store on `redis`: acquires the lease, and a new incarnation.
 * @throws MaestroError `conflict` naming the coordinator that uses this Redis, `redis-unavailable`.
 */
export async function openStore(
  redis: RedisConnection,
  times: LeaseTimes = failureTimeouts(),
  log: Pick<Logger, 'error'> | undefined = undefined,
): Promise<Store> {
  const { client, call } = redis;
  /** An unreadable record may still belong to somebody. */
  const tellAside = (key: string, aside: string, problem: string): void =>
    log?.error({ key, aside, problem }, 'put aside from Redis: a record that cannot be read');
  const lease = await acquireLease(redis, times, (key) =>
    tellAside(key, `maestro:set-aside:*:${key}`, 'it is no lease, or no incarnation'),
  );
  const { fenced, run } = lease;
  const marker = randomUUID();
  /** Jobs, and jobs with a run, whose records Redis must have. */
  const saved = { jobs: new Set<string>(), runs: new Set<string>() };
  const returned = new Set<() => void>();
  const forgotten = new Set<() => void>();
  const stopWatching = redis.onReturn(() => {
    for (const listener of returned) listener();
    void check();
  });
  const subscribe = (listeners: Set<() => void>, listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  const save = async (what: string, key: string, id: string, value: unknown): Promise<void> => {
    await run(what, SAVE_SCRIPT, [key], [id, JSON.stringify(value)]);
    (key === JOBS_KEY ? saved.jobs : saved.runs).add(id);
  };
  for (const key of [JOBS_KEY, RUNS_KEY]) {
    const aside = `${asidePrefix()}${key}`;
    if ((await run<number>(`look at ${key}`, REQUIRE_HASH_SCRIPT, [key, aside], [])) === 1) tellAside(key, aside, 'it is no hash');
  }
  const setAside: Store['setAside'] = async (what, jobId, problem) => {
    const key = what === 'job' ? JOBS_KEY : RUNS_KEY;
    const aside = `maestro:set-aside:${key}`;
    await run(`put the ${what} of ${jobId} aside`, SET_ASIDE_SCRIPT, [key, aside], [jobId]);
    (what === 'job' ? saved.jobs : saved.runs).delete(jobId);
    tellAside(`${key} ${jobId}`, `${aside} ${jobId}`, problem);
  };
  await run('leave a marker', `redis.call('SET', KEYS[${FIRST_KEY}], ARGV[${FIRST_ARG}])`, [MARKER_KEY], [marker]);

  let toldMs = 0;
  let checking: Promise<void> | undefined;
  /** Compares Redis with the expected records: it may have been emptied, or have evicted records, while the connection held. */
  const check = (): Promise<void> => {
    const expected = [saved.jobs.size, saved.runs.size] as const;
    checking ??= run<[number, number, number]>('look whether records are there', CHECK_SCRIPT, [MARKER_KEY, JOBS_KEY, RUNS_KEY], [marker])
      .then(([isMarkerLost, jobs, runs]) => {
        const isShort = jobs < expected[0] || runs < expected[1];
        if (isMarkerLost === 0 && !(isShort && Date.now() - toldMs >= TELL_AGAIN_MS)) return;
        toldMs = Date.now();
        for (const listener of [...forgotten, ...returned]) listener();
      })
      .catch(() => undefined) // Redis is unreachable, which calls report, or another coordinator has taken over, which was reported.
      .finally(() => {
        checking = undefined;
      });
    return checking;
  };
  const checks = setInterval(() => void check(), times.leaseRenewMs);

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
        const loaded: StoredJob[] = [];
        for (const id of Object.keys(jobs).sort()) {
          const job = parseRecord(jobs[id]!) as Job | undefined;
          const run = runs[id] === undefined ? undefined : parseRecord(runs[id]);
          if (runs[id] !== undefined && run === undefined) await setAside('run', id, NO_RECORD);
          if (job?.id !== id) {
            await setAside('job', id, job === undefined ? NO_RECORD : 'it is of another job');
            continue;
          }
          saved.jobs.add(id);
          if (run !== undefined) saved.runs.add(id);
          loaded.push({ job, run });
        }
        return loaded;
      }),
    setAside,
    async requireLedger(jobId) {
      const key = ledgerKey(jobId);
      const aside = `${asidePrefix()}${key}`;
      if ((await run<number>(`look at the ledger of ${jobId}`, LEDGER_SCRIPT, [key, aside], [])) === 1)
        tellAside(key, aside, 'it is no ledger');
    },
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
    async saveAll(records) {
      const args = records.flatMap(({ job, run: record }) => [
        job.id,
        JSON.stringify(job),
        record === undefined ? '' : JSON.stringify(record),
      ]);
      await run('save records', SAVE_ALL_SCRIPT, [JOBS_KEY, RUNS_KEY], args);
      for (const { job, run: record } of records) {
        saved.jobs.add(job.id);
        if (record !== undefined) saved.runs.add(job.id);
      }
    },
    async removeJob(jobId) {
      saved.jobs.delete(jobId);
      saved.runs.delete(jobId);
      await run(`remove ${jobId}`, REMOVE_SCRIPT, [JOBS_KEY, RUNS_KEY, ledgerKey(jobId)], [jobId]);
    },
    missingJobs: () =>
      call('list jobs', async () => {
        const [jobs, runs] = (await Promise.all([client.hkeys(JOBS_KEY), client.hkeys(RUNS_KEY)])).map((keys) => new Set(keys));
        return [...saved.jobs].filter((id) => !jobs!.has(id) || (saved.runs.has(id) && !runs!.has(id)));
      }),
    readLedgerFields: (jobId) => call(`read the ledger of ${jobId}`, () => client.hgetall(ledgerKey(jobId))),
    restoreLedger: async (jobId, fields) => {
      await run(`put back the ledger of ${jobId}`, RESTORE_LEDGER_SCRIPT, [ledgerKey(jobId)], Object.entries(fields).flat());
    },
    withoutLedger: (jobIds) =>
      call('look for ledgers', async () => {
        const found = await Promise.all(jobIds.map((id) => client.exists(ledgerKey(id))));
        return jobIds.filter((_id, index) => found[index] === 0);
      }),
    onReturn: (listener) => subscribe(returned, listener),
    onForgotten: (listener) => subscribe(forgotten, listener),
    async close() {
      clearInterval(checks);
      stopWatching();
      await checking;
      await lease.release();
    },
  };
}

/** Parses a record as an object; undefined when it is not one. */
function parseRecord(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
