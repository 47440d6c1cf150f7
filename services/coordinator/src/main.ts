import '@maestro/recipes';
import { mkdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type CheckpointOrigin,
  checkpointRoot,
  describeFallback,
  describeProblems,
  newestValidCheckpoint,
  readJobSpec,
  readOrigin,
  requireOwnOrigin,
  verifyCheckpoint,
} from '@maestro/checkpoint';
import type { Schedule } from '@maestro/data';
import { openLogArchive, openLogSink } from '@maestro/logs';
import {
  DEFAULT_FAILURE_TIMEOUT_MS,
  DEFAULT_PREPARE_SECONDS,
  errorMessage,
  failureTimeouts,
  isMaestroError,
  type JobSpec,
  MaestroError,
  readEnvironment,
  recipeInfos,
  recipeOf,
  scrubEnvironment,
} from '@maestro/protocol';
import { loadBullmq } from '@maestro/queue';
import { connectRedis } from '@maestro/redis';
import { isUrl, probeLocation, resolveLocation } from '@maestro/storage';
import { createLogger, endWithParent, runService } from '@maestro/telemetry';
import { type Bookkeeper, openBookkeeper } from './books/bookkeeper.ts';
import { openJobRecords } from './books/jobRecords.ts';
import { openShardWriter, type ShardWriter } from './books/shardWriter.ts';
import { openStore } from './books/store.ts';
import { readEviction, watchEviction } from './books/watchEviction.ts';
import { serve } from './grpc/serve.ts';
import { serveHttp } from './http/httpServer.ts';
import { startCoordinator } from './jobs/coordinator.ts';
import { openJobLogs } from './jobs/jobLogs.ts';
import { DEFAULT_KEEP_JOBS } from './jobs/retiredJobs.ts';
import { openObserver } from './metrics/observer.ts';
import { openReconstructions } from './reconstruction/reconstructions.ts';
import type { RestorePoint } from './run/state/runState.ts';
import { readSecurity } from './security/readSecurity.ts';

scrubEnvironment();
/**
 * `MAESTRO_REDIS_URL`, `MAESTRO_DATA_DIR`, `MAESTRO_CHECKPOINTS`, `MAESTRO_GRPC_LISTEN` and `MAESTRO_HTTP_LISTEN` (host:port) configure the
 * coordinator; {@link readSecurity} reads who may use it.
 * `MAESTRO_RECONSTRUCTION_SECONDS` is the minimum interval between drawings of a job's newest checkpoint; 0 disables them.
 */
const {
  MAESTRO_REDIS_URL: redisUrl = 'redis://127.0.0.1:6379',
  MAESTRO_DATA_DIR: dataDir = '.maestro',
  MAESTRO_CHECKPOINTS: checkpoints,
  MAESTRO_GRPC_LISTEN: listen = '127.0.0.1:7070',
  MAESTRO_HTTP_LISTEN: httpListen = '127.0.0.1:7080',
  MAESTRO_FAILURE_TIMEOUT_MS: failureText = String(DEFAULT_FAILURE_TIMEOUT_MS),
  MAESTRO_FAULT_TOLERANCE: tolerance = 'on',
  MAESTRO_RECONSTRUCTION_SECONDS: reconstructionText = '15',
  MAESTRO_REDIS_EVICTION: evictionText = 'refuse',
  MAESTRO_KEEP_JOBS: keepText = String(DEFAULT_KEEP_JOBS),
  MAESTRO_PREPARE_SECONDS: prepareText = String(DEFAULT_PREPARE_SECONDS),
} = readEnvironment();
/** Pause between searches for checkpoints on a server that does not answer, and their number: a quarter of an hour in all. */
const SEARCH_PAUSE_MS = 5000;
const SEARCHES = 180;
/** Maximum time that a submit waits for the server of its checkpoints. */
const PROBE_MS = 5000;
const sink = openLogSink({ redisUrl, name: 'coordinator' });
const logger = createLogger({ role: 'coordinator', sink });

await runService(
  async (signal) => {
    recipeInfos();
    endWithParent();
    const keepJobs = Number(keepText);
    if (!Number.isInteger(keepJobs) || keepJobs < 0) {
      throw new MaestroError('invalid-argument', `MAESTRO_KEEP_JOBS: expected a whole number, found ${keepText}`);
    }
    const prepareMs = 1000 * Number(prepareText);
    if (!(prepareMs > 0)) {
      throw new MaestroError('invalid-argument', `MAESTRO_PREPARE_SECONDS: expected a number of seconds above 0, found ${prepareText}`);
    }
    const timeouts = { ...failureTimeouts(failureText), prepareMs };
    const reconstructionSeconds = Number(reconstructionText);
    if (!(reconstructionSeconds >= 0)) {
      throw new MaestroError(
        'invalid-argument',
        `MAESTRO_RECONSTRUCTION_SECONDS: expected a number of seconds, 0 for none, found ${reconstructionText}`,
      );
    }
    const { access, tls, roots } = await readSecurity({ listen, httpListen, dataDir, checkpoints });
    await mkdir(dataDir, { recursive: true });
    await loadBullmq();
    const redis = await connectRedis(redisUrl, { timeoutMs: 10_000 });
    const eviction = await watchEviction({ redis, isAllowed: readEviction(evictionText), log: logger });
    const store = await openStore(redis, timeouts, logger);
    const records = await openJobRecords({ dataDir, log: logger });
    const openShards = (jobId: string, schedule: Schedule): ShardWriter =>
      openShardWriter({
        redis,
        jobId,
        schedule,
        requireLease: store.requireLease,
        onLeftBehind: (error) => logger.warn({ job: jobId, error }, 'old shard queues are left behind'),
      });
    const observer = openObserver({ dataDir, log: logger });
    // Before the coordinator: jobs that it finds at its start move already.
    /** Jobs with reconstructions. */
    const drawn = new Set<string>();
    const reconstructions = openReconstructions({
      dataDir,
      everySeconds: reconstructionSeconds,
      onDrawn: (jobId, { step }, seconds) => {
        observer.metrics.reconstruction(seconds);
        coordinator.noteReconstruction(jobId, step);
      },
      log: logger,
    });
    const coordinator = await startCoordinator({
      store,
      timeouts,
      roots,
      checkpoints: checkpoints === undefined ? undefined : resolveLocation(checkpoints),
      openBooks: (jobId, seed, onAcknowledged) => {
        const { reportGapMs: gapMs } = timeouts;
        const books = openBookkeeper({ store, openShards, jobId, seed, onAcknowledged, onRecorded: records.note, log: logger, gapMs });
        return tolerance === 'off' ? withoutLedger(books) : books;
      },
      records,
      risk: eviction.risk,
      keepJobs,
      probeLocation: (location) => probeLocation(location, { timeoutMs: PROBE_MS }),
      inspectCheckpoint,
      readJobSpec,
      findCheckpoint,
      events: {
        ...observer,
        message(worker, message) {
          observer.message(worker, message);
          if (message.kind === 'checkpoint' && drawn.has(message.jobId)) reconstructions.request(message);
        },
        moved(before, after) {
          observer.moved(before, after);
          const { id, spec } = after.facts;
          if (recipeOf(spec).hasPictures) drawn.add(id);
          if (after.phase !== 'ended' || before.phase === 'ended') return;
          reconstructions.ended(id);
          drawn.delete(id);
        },
      },
      log: logger,
    });
    // Blocking reads for new lines need a connection of their own.
    const logRedis = await connectRedis(redisUrl, { timeoutMs: 10_000 });
    const archive = await openLogArchive({ dataDir, redis: logRedis, requireLease: store.requireLease, log: logger });
    const logs = openJobLogs({ coordinator, archive });
    const server = await serve({ coordinator, observer, logs, listen, dataDir, timeouts, access, tls, log: logger });
    const web = await serveHttp(
      { coordinator, observer, logs, logSink: sink, access, roots, tls, redis, dataDir, log: logger },
      httpListen,
    );
    await store.announce({ address: server.address, http: web.address });
    logger.info({ address: server.address, http: web.address, incarnation: coordinator.incarnation }, 'coordinator ready');
    process.send?.({ listening: server.address, http: web.address, notice: coordinator.notice });
    const stopped = new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }));
    const fenced = await Promise.race([stopped, store.fenced]);
    if (fenced !== undefined) throw fenced;
    await reconstructions.close();
    await coordinator.close();
    await records.close();
    eviction.close();
    logs.close();
    await web.close();
    await observer.close();
    await server.close();
    await archive.close();
    await logRedis.close();
    await store.close();
    await redis.close();
  },
  { logger },
);

/** For the benchmark of the cost of the ledger and the shard queues. */
function withoutLedger(books: Bookkeeper): Bookkeeper {
  const nothing = (): void => undefined;
  return { ...books, commit: nothing, enqueueAround: nothing, openGeneration: nothing };
}

async function inspectCheckpoint(path: string): Promise<{ readonly step: number; readonly origin: CheckpointOrigin }> {
  const report = await verifyCheckpoint(path);
  if (!report.valid || report.step === undefined)
    throw new MaestroError('checkpoint-invalid', `checkpoint ${path}: ${describeProblems(report.problems)}`);
  return { step: report.step, origin: await readOrigin(path) };
}

/**
 * Finds the newest valid checkpoint of a job on disk; the record in Redis may be older.
 * @throws MaestroError `invalid-argument` when the checkpoint belongs to another job.
 */
async function findCheckpoint(jobId: string, spec: JobSpec): Promise<{ readonly point: RestorePoint | undefined; readonly note: string }> {
  const root = checkpointRoot({ dataDir, jobId, location: spec.checkpoint.location });
  for (let left = SEARCHES; ; left--) {
    try {
      const found = await newestValidCheckpoint(root);
      const { checkpoint } = found;
      if (checkpoint !== undefined) requireOwnOrigin(checkpoint.dir, await readOrigin(checkpoint.dir), { job: jobId, spec });
      return { point: checkpoint && { path: checkpoint.dir, step: checkpoint.step }, note: describeFallback(found) ?? '' };
    } catch (error) {
      // Waits for an unreachable server: the job has nothing else to resume from.
      if (!isUrl(root) || !isMaestroError(error, 'storage') || left === 0) throw error;
      logger.warn(
        { job: jobId, root, reason: errorMessage(error), retryAfterSeconds: SEARCH_PAUSE_MS / 1000 },
        'checkpoints cannot be looked for',
      );
      await delay(SEARCH_PAUSE_MS);
    }
  }
}
