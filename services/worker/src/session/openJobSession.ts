import { checkpointRoot } from '@maestro/checkpoint';
import { maxPartials, treeHeight } from '@maestro/collective';
import { augmentConfig, jobLearningRate, jobSchedule, openDataset, openLoader } from '@maestro/data';
import { openTrainer } from '@maestro/engine';
import { openNative } from '@maestro/native';
import { stateVectors } from '@maestro/optim';
import { dilocoOf, specHash } from '@maestro/protocol';
import { ownSeries, planRecipe, planSource, recipeFiller, recipeIdentity } from '@maestro/recipes';
import { connectRedis } from '@maestro/redis';
import { flatLayout } from '@maestro/tensors';
import { createCheckpointer } from '../checkpoint/checkpointer.ts';
import { computeIdentity } from '../process/computeSettings.ts';
import { runtimeIdentity } from '../process/runtimeIdentity.ts';
import { createCollector } from '../state/collector.ts';
import { openSnapshots } from '../state/snapshots.ts';
import { openContentCheck } from './contentCheck.ts';
import { gradientStages } from './gradientStages.ts';
import { type JobSession, REDIS_TIMEOUT_MS } from './jobSession.ts';
import type { JobSessionOptions } from './jobSessionOptions.ts';
import { openJobContents } from './openJobContents.ts';
import { buildJobModel } from './trainingModel.ts';

/**
 * Opens data set, trainer, loader and everything else a job needs regardless of its members. Closes them again when a later part fails.
 * @throws MaestroError of whatever cannot be opened.
 */
export async function openJobSession(options: JobSessionOptions): Promise<JobSession> {
  const { jobId, spec, dataDir, scratchDir, redisUrl, compute, timeouts, logger, signal, faults, onStage } = options;
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closeOne of closers.splice(0).reverse()) await closeOne();
  };
  const opened = <Value extends { close(): Promise<unknown> }>(value: Value): Value => {
    closers.push(() => value.close());
    return value;
  };

  try {
    const isSharded = spec.optimizer.state === 'sharded';
    onStage(`it opens the data set ${spec.data.path}`);
    const dataset = await openDataset(spec.data, { signal, cache: options.cache, patienceMs: options.patienceMs });
    const schedule = jobSchedule(spec, dataset.length);
    onStage('it builds the training graph');
    const source = planSource(spec, { samples: dataset.length, classes: dataset.classes });
    const plan = await planRecipe(spec, source.data);
    const layout = flatLayout(plan.parameters);
    const vectors = stateVectors(spec.optimizer);
    const { inputs, image } = plan;
    // State that is dealt to owners, replicas that train apart, and gradients on a device leave as a whole.
    const isStaged = !isSharded && dilocoOf(spec) === undefined && (compute.device === 'cpu' || spec.resources.allowMixedDevices);
    const training = buildJobModel(plan, spec, isStaged ? gradientStages(layout.trainable) : []);
    const augment = augmentConfig(image.channels, withoutUndefined(spec.augment));
    const filler = recipeFiller(source);
    const { microBatch } = schedule;
    const { sampleMs } = timeouts;
    // Its threads load their libraries while the trainer is opened.
    const loader = opened(openLoader({ dataset, ...image, augment, seed: spec.seed, inputs, filler, microBatch, sampleMs }));
    // Room for whatever virtual ranks a view may assign to this member; memory that is never written takes no space.
    const trainer = opened(
      await openTrainer({
        trainingModel: training.model,
        stages: training.stages,
        ...(training.native !== undefined && { operators: training.native.path }),
        library: openNative()?.path,
        layout,
        optimizer: spec.optimizer,
        inputs,
        sums: ownSeries(spec).map((name) => `metric.${name}`),
        microBatch,
        maxPartials: maxPartials(schedule.virtualRanks),
        treeDepth: treeHeight(schedule.virtualRanks),
        replicas: dilocoOf(spec)?.replicas ?? 0,
        ...compute,
        // Sharded moments are on the host; with mixed devices everything is, so that all apply a step alike.
        ...((isSharded || spec.resources.allowMixedDevices) && { isResident: false }),
        logger,
      }),
    );
    onStage('it connects to Redis');
    const redis = opened(await connectRedis(redisUrl, { timeoutMs: REDIS_TIMEOUT_MS }));
    const table = await openJobContents({ ...options, dataset, redis });
    const contents = opened(openContentCheck({ table, dataset, reader: options.name, logger }));
    const identity = {
      ...runtimeIdentity(training.native),
      ...recipeIdentity(spec),
      specHash: specHash(spec),
      ...computeIdentity(compute, trainer, training.native),
      datasetFingerprint: dataset.fingerprint,
    };
    const collector = createCollector({
      trainer,
      moments: vectors.filter((name) => name !== 'parameters'),
      step: () => session.state,
      isAlone: () => session.shards.some(({ isWhole, length }) => isWhole && length === layout.trainable.length),
    });
    const { everySteps, keepLast, keepEveryEpochs, keepBest, location } = spec.checkpoint;
    const checkpointRules = { everySteps, keepLast, keepEveryEpochs, keepBest, stepsPerEpoch: schedule.stepsPerEpoch };
    const checkpointer = opened(
      createCheckpointer({
        root: checkpointRoot({ dataDir, jobId, location }),
        ...checkpointRules,
        layout,
        trainer: isSharded ? collector : trainer,
        state: { job: jobId, spec, identity },
        onWritten: ({ step, dir, checkpointHash, ...cost }) => options.onCheckpoint({ step, path: dir, hash: checkpointHash }, cost),
        onFailed: ({ step, error }) => options.onCheckpointFailed(step, error),
        onPhase: ({ name }, step) => faults.reach(step, `checkpoint-${name}`),
        logger,
      }),
    );
    const snapshots = opened(openSnapshots({ dir: scratchDir, trainer, vectors, faults, onLost: options.onSnapshotLost, logger }));
    const session: JobSession = {
      jobId,
      spec,
      plan,
      planSource: source,
      layout,
      dataset,
      schedule,
      learningRate: jobLearningRate(spec, schedule),
      training,
      trainer,
      loader,
      contents,
      checkpointer,
      collector,
      snapshots,
      isSharded,
      checkpointRules,
      redis,
      identityJson: JSON.stringify(identity),
      state: -1,
      hasFrozen: false,
      shards: [],
      artifacts: Promise.resolve(),
      close,
    };
    closers.push(() => session.artifacts);
    return session;
  } catch (error) {
    await close();
    throw error;
  }
}

export type Defined<Value> = { [Key in keyof Value]: Exclude<Value[Key], undefined> };

function withoutUndefined<Value extends object>(value: Value): Partial<Defined<Value>> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Partial<Defined<Value>>;
}
