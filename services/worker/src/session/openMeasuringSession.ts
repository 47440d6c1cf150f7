import { jobSchedule, openDataset } from '@maestro/data';
import { specHash } from '@maestro/protocol';
import { openMeasuring } from '@maestro/recipes';
import { connectRedis } from '@maestro/redis';
import { runtimeIdentity } from '../process/runtimeIdentity.ts';
import { openContentCheck } from './contentCheck.ts';
import { REDIS_TIMEOUT_MS } from './jobSession.ts';
import type { JobSessionOptions } from './jobSessionOptions.ts';
import type { MeasuringSession } from './measuringSession.ts';
import { openJobContents } from './openJobContents.ts';

/**
 * Opens the data set, and what the recipe measures with. What was opened is closed again when a later part fails.
 * @throws MaestroError of whatever cannot be opened.
 */
export async function openMeasuringSession(
  options: Omit<JobSessionOptions, 'onCheckpoint' | 'onCheckpointFailed' | 'onSnapshotLost'>,
): Promise<MeasuringSession> {
  const { jobId, spec, redisUrl, compute, logger, signal, onStage } = options;
  const { device, threads } = compute;
  const opening = { signal, cache: options.cache, patienceMs: options.patienceMs };
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closeOne of closers.splice(0).reverse()) await closeOne();
  };
  try {
    onStage(`it opens the data set ${spec.data.path}`);
    const dataset = await openDataset(spec.data, opening);
    const measuring = await openMeasuring({
      spec,
      dataset,
      openDataset: (data) => openDataset(data, opening),
      compute: { device, threads },
      onStage,
      signal,
    });
    closers.push(() => measuring.close());
    logger.info(measuring.about, 'checkpoint loaded');
    const redis = await connectRedis(redisUrl, { timeoutMs: REDIS_TIMEOUT_MS });
    closers.push(() => redis.close());
    const contents = openContentCheck({
      table: await openJobContents({ ...options, dataset, redis }),
      dataset,
      reader: options.name,
      logger,
    });
    closers.push(() => contents.close());
    const identity = {
      ...runtimeIdentity(),
      specHash: specHash(spec),
      device,
      threads,
      datasetFingerprint: dataset.fingerprint,
      ...measuring.identity,
    };
    return {
      jobId,
      spec,
      dataset,
      schedule: jobSchedule(spec, dataset.length),
      redis,
      contents,
      measuring,
      identityJson: JSON.stringify(identity),
      state: -1,
      results: {},
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
