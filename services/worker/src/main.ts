import '@maestro/recipes';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { openCollective } from '@maestro/collective';
import { openLogSink } from '@maestro/logs';
import {
  DEFAULT_FAILURE_TIMEOUT_MS,
  failureTimeouts,
  MaestroError,
  parseByteSize,
  readEnvironment,
  readRoots,
  readTls,
  recipeInfos,
  requireSafeBind,
  scrubEnvironment,
  serverCredentials,
} from '@maestro/protocol';
import { loadBullmq } from '@maestro/queue';
import { createLogger, endWithParent, type MetricsPages, printFamilies, runService, serveMetrics } from '@maestro/telemetry';
import { readComputeSettings } from './process/computeSettings.ts';
import { createFaults } from './process/faults.ts';
import { runWorker } from './process/worker.ts';
import { openWorkerMetrics } from './process/workerMetrics.ts';

scrubEnvironment();
/**
 * A worker is configured by `MAESTRO_COORDINATOR` and `MAESTRO_COLLECTIVE_LISTEN` (host:port), `MAESTRO_REDIS_URL`, `MAESTRO_DATA_DIR`,
 * `MAESTRO_WORKER_NAME`, and its compute settings by the variables of `readComputeSettings`. When peers reach it by another address than
 * its listen address (a container's published port, a proxy), `MAESTRO_COLLECTIVE_ADVERTISE` is the one they are given.
 * `MAESTRO_METRICS_LISTEN` (host:port) serves its metrics for Prometheus and its health; without it, only the coordinator shows them.
 * `MAESTRO_SCRATCH_DIR` is for snapshots of sharded moments: a folder on a local disk, by default `scratch` in the data folder.
 * `MAESTRO_CACHE_DIR`, `MAESTRO_CACHE_SIZE` and `MAESTRO_DATA_PATIENCE_SECONDS` are for parts of remote data sets.
 * `MAESTRO_FAULT_TOLERANCE=off` (coordinator too) is only for the bench: it shows what surviving failures costs.
 */
const {
  MAESTRO_COORDINATOR: coordinator = '127.0.0.1:7070',
  MAESTRO_COLLECTIVE_LISTEN: listen = '127.0.0.1:0',
  MAESTRO_COLLECTIVE_ADVERTISE: advertise,
  MAESTRO_REDIS_URL: redisUrl = 'redis://127.0.0.1:6379',
  MAESTRO_DATA_DIR: dataDir = '.maestro',
  MAESTRO_CHECKPOINTS: checkpoints,
  MAESTRO_SCRATCH_DIR: scratchDir = join(dataDir, 'scratch'),
  MAESTRO_CACHE_DIR: cacheDir = join(dataDir, 'cache'),
  MAESTRO_CACHE_SIZE: cacheSize = '10GB',
  MAESTRO_DATA_PATIENCE_SECONDS: patienceText = '300',
  MAESTRO_WORKER_NAME: name = `${hostname()}-${process.pid}`,
  MAESTRO_FAILURE_TIMEOUT_MS: failureText = String(DEFAULT_FAILURE_TIMEOUT_MS),
  MAESTRO_FAULT_TOLERANCE: tolerance = 'on',
  MAESTRO_FAULTS: faultsText,
  MAESTRO_DATA_ROOTS: rootsText,
  MAESTRO_TRUSTED_NETWORK: trustedNetworks,
  MAESTRO_METRICS_LISTEN: metricsListen,
} = readEnvironment();
/** @throws MaestroError `invalid-argument` */
const readSeconds = (text: string): number => {
  const seconds = Number(text);
  if (text.trim() === '' || !(seconds >= 0 && seconds < Infinity))
    throw new MaestroError('invalid-argument', `MAESTRO_DATA_PATIENCE_SECONDS=${text}: expected a number of seconds`);
  return seconds;
};
/** A step may be long, and a checkpoint large; whoever cannot wait sends a second signal. */
const SHUTDOWN_MS = 60_000;
const logger = createLogger({ role: 'worker', worker: name, sink: openLogSink({ redisUrl, name }) });

await runService(
  async (signal) => {
    recipeInfos();
    const compute = readComputeSettings(readEnvironment());
    const limitBytes = parseByteSize(cacheSize, 'MAESTRO_CACHE_SIZE');
    endWithParent();
    await loadBullmq();
    const timeouts = failureTimeouts(failureText);
    const { keepaliveTimeMs, keepaliveTimeoutMs } = timeouts;
    const faults = createFaults(faultsText);
    const isFaultTolerant = tolerance !== 'off';
    const tls = readTls();
    const remedy =
      "set MAESTRO_TLS_CERT, MAESTRO_TLS_KEY and MAESTRO_TLS_CA, or MAESTRO_TRUSTED_NETWORK to a network that is only this cluster's";
    await requireSafeBind({
      variable: 'MAESTRO_COLLECTIVE_LISTEN',
      address: listen,
      isProtected: tls !== undefined,
      remedy,
      trustedNetworks,
    });
    if (metricsListen !== undefined) {
      const remedy = "set MAESTRO_TRUSTED_NETWORK to a network that is only this cluster's";
      await requireSafeBind({ variable: 'MAESTRO_METRICS_LISTEN', address: metricsListen, isProtected: false, remedy, trustedNetworks });
    }
    const credentials = tls && { server: serverCredentials(tls), client: tls };
    const opened = await openCollective({
      address: listen,
      keepaliveTimeMs,
      keepaliveTimeoutMs,
      checksums: isFaultTolerant,
      ...(credentials !== undefined && { credentials }),
    });
    const collective = advertise === undefined ? opened : { ...opened, address: advertise };
    const metrics = openWorkerMetrics();
    let isAttached = false;
    const pages: MetricsPages = {
      read: async () => printFamilies(await metrics.read()),
      notReady: () => (isAttached ? undefined : `the coordinator at ${coordinator} has not taken this worker`),
    };
    const page = metricsListen === undefined ? undefined : await serveMetrics(metricsListen, pages);
    if (page !== undefined) logger.info({ address: page.address }, 'metrics are served');
    try {
      await runWorker({
        name,
        coordinator,
        redisUrl,
        dataDir,
        scratchDir,
        cache: limitBytes === 0 ? undefined : { dir: cacheDir, limitBytes },
        patienceMs: 1000 * readSeconds(patienceText),
        compute,
        collective,
        timeouts,
        roots: readRoots(rootsText, [dataDir, ...(checkpoints === undefined ? [] : [checkpoints])]),
        tls,
        isFaultTolerant,
        faults,
        metrics,
        onAttached: (now) => {
          isAttached = now;
        },
        logger,
        signal,
      });
    } finally {
      await collective.close();
      await page?.close();
      metrics.close();
    }
  },
  { logger, shutdownTimeoutMs: SHUTDOWN_MS },
);
