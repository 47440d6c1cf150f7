import { mkdir } from 'node:fs/promises';
import { describeProblems, verifyCheckpoint } from '@maestro/checkpoint';
import { connectRedis } from '@maestro/data';
import { MaestroError } from '@maestro/protocol';
import { createLogger, endWithParent, runService } from '@maestro/telemetry';
import { startCoordinator } from './coordinator.ts';
import { serve } from './serve.ts';
import { openShardWriter } from './shardWriter.ts';
import { createStore } from './store.ts';

/** `MAESTRO_REDIS_URL`, `MAESTRO_DATA_DIR` and `MAESTRO_GRPC_LISTEN` (host:port) configure the coordinator. */
const {
  MAESTRO_REDIS_URL: redisUrl = 'redis://127.0.0.1:6379',
  MAESTRO_DATA_DIR: dataDir = '.maestro',
  MAESTRO_GRPC_LISTEN: listen = '127.0.0.1:7070',
} = process.env;
const logger = createLogger({ role: 'coordinator' });

await runService(
  async (signal) => {
    endWithParent();
    await mkdir(dataDir, { recursive: true });
    const redis = await connectRedis(redisUrl, { timeoutMs: 10_000 });
    const coordinator = await startCoordinator({
      store: createStore(redis),
      openShards: (jobId, schedule) => openShardWriter({ redisUrl, jobId, schedule }),
      inspectCheckpoint,
      log: logger,
    });
    const server = await serve(coordinator, listen);
    logger.info({ address: server.address, incarnation: coordinator.incarnation }, 'coordinator ready');
    process.send?.({ listening: server.address });
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    await coordinator.close();
    await server.close();
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
