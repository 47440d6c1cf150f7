import { mkdir } from 'node:fs/promises';
import { describeProblems, verifyCheckpoint } from '@maestro/checkpoint';
import { connectRedis } from '@maestro/data';
import { MaestroError } from '@maestro/protocol';
import { createLogger, runService } from '@maestro/telemetry';
import { startCoordinator } from './coordinator.ts';
import { serve } from './serve.ts';
import { openShardWriter } from './shardWriter.ts';
import { openStore } from './store.ts';

/** `MAESTRO_REDIS_URL`, `MAESTRO_DATA_DIR` and `MAESTRO_GRPC_LISTEN` (host:port) configure the coordinator. */
const {
  MAESTRO_REDIS_URL: redisUrl = 'redis://127.0.0.1:6379',
  MAESTRO_DATA_DIR: dataDir = '.maestro',
  MAESTRO_GRPC_LISTEN: listen = '127.0.0.1:7070',
} = process.env;
const logger = createLogger({ role: 'coordinator' });

await runService(
  async (signal) => {
    // Started by another process of ours, the coordinator ends with it.
    process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
    await mkdir(dataDir, { recursive: true });
    const redis = await connectRedis(redisUrl, { timeoutMs: 10_000 });
    const store = await openStore(redis);
    const coordinator = await startCoordinator({
      store,
      openShards: (jobId, schedule) =>
        openShardWriter({
          redis,
          jobId,
          schedule,
          requireLease: store.requireLease,
          onLeftBehind: (error) => logger.warn({ job: jobId, error }, 'old shard queues are left behind'),
        }),
      inspectCheckpoint,
      log: logger,
    });
    const server = await serve(coordinator, listen);
    await store.announce(server.address);
    logger.info({ address: server.address, incarnation: coordinator.incarnation }, 'coordinator ready');
    process.send?.({ listening: server.address });
    const stopped = new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }));
    const fenced = await Promise.race([stopped, store.fenced]);
    if (fenced !== undefined) throw fenced;
    await coordinator.close();
    await server.close();
    await store.close();
    await redis.close();
  },
  { logger },
);

async function inspectCheckpoint(path: string): Promise<{ readonly step: number }> {
  const report = await verifyCheckpoint(path);
  if (!report.valid || report.step === undefined)
    throw new MaestroError('checkpoint-invalid', `checkpoint ${path}: ${describeProblems(report.problems)}`);
  return { step: report.step };
}
