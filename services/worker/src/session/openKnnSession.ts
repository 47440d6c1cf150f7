import { augmentConfig, type Dataset, jobSchedule, openDataset } from '@maestro/data';
import { loadParameters, openModel } from '@maestro/evaluation';
import { MaestroError, specHash } from '@maestro/protocol';
import { knnOf } from '@maestro/recipes';
import { connectRedis } from '@maestro/redis';
import { runtimeIdentity } from '../process/runtimeIdentity.ts';
import { openSampleEncoder } from '../step/sampleEncoder.ts';
import { openContentCheck } from './contentCheck.ts';
import { REDIS_TIMEOUT_MS } from './jobSession.ts';
import type { JobSessionOptions } from './jobSessionOptions.ts';
import type { KnnSession } from './knnSession.ts';
import { openJobContents } from './openJobContents.ts';

/**
 * Opens both data sets, and the checkpoint's encoder. Closes them again when a later part fails.
 * @throws MaestroError of whatever cannot be opened; `data-invalid` when there are no classes to tell apart.
 */
export async function openKnnSession(
  options: Omit<JobSessionOptions, 'onCheckpoint' | 'onCheckpointFailed' | 'onSnapshotLost'>,
): Promise<KnnSession> {
  const { jobId, spec, redisUrl, compute, logger, signal, onStage } = options;
  const { device, threads } = compute;
  const knn = knnOf(spec);
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closeOne of closers.splice(0).reverse()) await closeOne();
  };
  try {
    onStage(`it opens the data set ${spec.data.path}`);
    const dataset = await openDataset(spec.data, { signal, cache: options.cache, patienceMs: options.patienceMs });
    onStage(`it opens the data set ${knn.test.path}`);
    const test = await openDataset(knn.test, { signal, cache: options.cache, patienceMs: options.patienceMs });
    const labelOf = testLabels(dataset, test);
    const model = await openModel(spec, { threads, device, isInitialised: false, hasFeatures: true });
    const { config, layout, normalisation, evaluator } = model;
    closers.push(() => evaluator.close());
    onStage(`it reads the checkpoint ${knn.checkpoint}`);
    const checkpoint = await loadParameters(model, knn.checkpoint);
    signal.throwIfAborted();
    logger.info({ checkpoint: knn.checkpoint, ...checkpoint }, 'checkpoint loaded');
    const schedule = jobSchedule(spec, dataset.length);
    const augment = augmentConfig(config.channels as 1 | 3, normalisation);
    const encoding = { evaluator, config, augment, seed: spec.seed, microBatch: schedule.microBatch };
    const training = openSampleEncoder({ ...encoding, dataset });
    closers.push(() => training.close());
    const redis = await connectRedis(redisUrl, { timeoutMs: REDIS_TIMEOUT_MS });
    closers.push(() => redis.close());
    const contents = openContentCheck({
      table: await openJobContents({ ...options, dataset, redis }),
      dataset,
      reader: options.name,
      logger,
    });
    closers.push(() => contents.close());
    const { checkpointHash } = checkpoint;
    const [datasetFingerprint, testFingerprint] = [dataset.fingerprint, test.fingerprint];
    const identity = {
      ...runtimeIdentity(),
      specHash: specHash(spec),
      device,
      threads,
      datasetFingerprint,
      testFingerprint,
      checkpointHash,
    };
    return {
      jobId,
      spec,
      knn,
      config,
      layout,
      dataset,
      test,
      schedule,
      redis,
      contents,
      checkpoint,
      training,
      openTest: () => openSampleEncoder({ ...encoding, dataset: test, labelOf }),
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

/** Maps labels of test samples to the classes of the training samples: two folders may have different ones. */
export function testLabels(training: Dataset, test: Dataset): (index: number) => number | undefined {
  if (training.classes.length < 2) {
    const found = training.classes.length === 0 ? 'no labels' : `one class, ${training.classes[0]}`;
    throw new MaestroError('data-invalid', `data: expected samples of two classes or more, found ${found}; sub-folders are classes`);
  }
  const known = new Map(training.classes.map((name, label) => [name, label]));
  const unknown = test.classes.filter((name) => !known.has(name));
  if (unknown.length > 0 || test.classes.length === 0) {
    const found = test.classes.length === 0 ? 'no labels' : unknown.slice(0, 5).join(', ');
    throw new MaestroError(
      'data-invalid',
      `knn.test: expected classes of data (${training.classes.slice(0, 5).join(', ')}...), found ${found}`,
    );
  }
  const labels = test.classes.map((name) => known.get(name)!);
  return (index) => {
    const own = test.label(index);
    return own === undefined ? undefined : labels[own];
  };
}
