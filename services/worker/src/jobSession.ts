import { checkpointRoot, readCheckpointState } from '@maestro/checkpoint';
import { maxPartials, treeHeight } from '@maestro/collective';
import {
  augmentConfig,
  type ContentTable,
  connectRedis,
  type Dataset,
  jobLearningRate,
  jobSchedule,
  type Loader,
  openContentTable,
  openDataset,
  openLoader,
  type RedisConnection,
  type Schedule,
} from '@maestro/data';
import { openTrainer, type Trainer } from '@maestro/engine';
import {
  buildTrainingModel,
  type FlatLayout,
  flatLayout,
  type LearningRateSchedule,
  type MaeConfig,
  maeConfig,
  parameterSpecs,
  patchCount,
} from '@maestro/mae';
import { dilocoOf, isTraining, type JobSpec, type StateShard, specHash } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { type Checkpointer, createCheckpointer, type TimedCheckpoint } from './checkpointer.ts';
import type { CheckpointRules } from './checkpointRules.ts';
import { type Collector, createCollector } from './collector.ts';
import { computeIdentity } from './computeSettings.ts';
import { type ContentCheck, openContentCheck } from './contentCheck.ts';
import { runtimeIdentity } from './runtimeIdentity.ts';
import { openSnapshots, type Snapshots } from './snapshots.ts';
import type { WorkerOptions } from './worker.ts';

/** So long a worker waits for Redis when it opens a job. */
export const REDIS_TIMEOUT_MS = 10_000;

/** What a worker opens once for a job that trains, and keeps over its views. */
export interface JobSession {
  readonly jobId: string;
  readonly spec: JobSpec;
  readonly config: MaeConfig;
  readonly layout: FlatLayout;
  readonly dataset: Dataset;
  readonly schedule: Schedule;
  readonly learningRate: LearningRateSchedule;
  readonly trainingModel: Uint8Array;
  readonly trainer: Trainer;
  readonly loader: Loader;
  readonly contents: ContentCheck;
  readonly checkpointer: Checkpointer;
  readonly collector: Collector;
  /** Its part and its neighbour's at the ends of windows, when the moments are dealt to their owners. */
  readonly snapshots: Snapshots;
  /** Whether each member keeps the moments of its chunk alone. */
  readonly isSharded: boolean;
  readonly checkpointRules: CheckpointRules;
  readonly redis: RedisConnection;
  /** What the members of a job must have in common, as JSON. */
  readonly identityJson: string;
  /** Steps that the trainer's state has been through; -1 while it holds none that a view could start from. */
  state: number;
  /** Of which states the trainer holds what, when the moments are dealt to their owners: what this member can give to others. */
  shards: readonly StateShard[];
  close(): Promise<void>;
}

/** What {@link openJobSession} takes beside the worker's options. */
export interface JobSessionOptions extends WorkerOptions {
  readonly jobId: string;
  readonly spec: JobSpec;
  readonly logger: Logger;
  readonly onCheckpoint: (
    checkpoint: { readonly step: number; readonly path: string; readonly hash: string },
    cost: Pick<TimedCheckpoint, 'stallSeconds' | 'writeSeconds'>,
  ) => void;
  readonly onCheckpointFailed: (step: number, error: unknown) => void;
  /** Told when a snapshot is lost that was offered to others. */
  readonly onSnapshotLost: () => void;
  /** Told at what opening is, in a few words. */
  readonly onStage: (stage: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Opens data set, trainer, loader and the rest of what a job needs whatever its members. What was opened is closed again when a later part
 * fails. @throws MaestroError of whatever cannot be opened.
 */
export async function openJobSession(options: JobSessionOptions): Promise<JobSession> {
  const { jobId, spec, dataDir, scratchDir, redisUrl, compute, logger, signal, faults, onStage } = options;
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closeOne of closers.splice(0).reverse()) await closeOne();
  };
  const opened = <Value extends { close(): Promise<unknown> }>(value: Value): Value => {
    closers.push(() => value.close());
    return value;
  };

  try {
    const config = maeConfig(spec.model);
    const isSharded = spec.optimizer.state === 'sharded';
    const layout = flatLayout(parameterSpecs(config));
    onStage(`it opens the data set ${spec.data.path}`);
    const dataset = await openDataset(spec.data, { signal, cache: options.cache, patienceMs: options.patienceMs });
    const schedule = jobSchedule(spec, dataset.length);
    onStage('it builds the training graph');
    const trainingModel = buildTrainingModel(config);
    const { imageSize } = config;
    const channels = config.channels as 1 | 3;
    const patches = patchCount(config);
    // Room for whatever virtual ranks a view may give this member; memory that is not written is not taken.
    const trainer = opened(
      await openTrainer({
        trainingModel,
        layout,
        imageShape: [channels, imageSize, imageSize],
        patches,
        microBatch: schedule.microBatch,
        maxPartials: maxPartials(schedule.virtualRanks),
        treeDepth: treeHeight(schedule.virtualRanks),
        replicas: dilocoOf(spec)?.replicas ?? 0,
        ...compute,
        // Moments that are dealt to owners are on the host; so is everything where devices are mixed, so that all apply a step alike.
        ...((isSharded || spec.resources.allowMixedDevices) && { isResident: false }),
        logger,
      }),
    );
    const augment = augmentConfig(channels, withoutUndefined(spec.augment));
    const loader = opened(openLoader({ dataset, imageSize, channels, augment, seed: spec.seed, patches, microBatch: schedule.microBatch }));
    onStage('it connects to Redis');
    const redis = opened(await connectRedis(redisUrl, { timeoutMs: REDIS_TIMEOUT_MS }));
    const table = await openJobContents({ ...options, dataset, redis });
    const contents = opened(openContentCheck({ table, dataset, reader: options.name, logger }));
    const identity = {
      ...runtimeIdentity(),
      specHash: specHash(spec),
      ...computeIdentity(compute, trainer),
      datasetFingerprint: dataset.fingerprint,
    };
    const collector = createCollector({
      trainer,
      step: () => session.state,
      isAlone: () => session.shards.some(({ isWhole, length }) => isWhole && length === layout.length),
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
    const snapshots = opened(openSnapshots({ dir: scratchDir, trainer, faults, onLost: options.onSnapshotLost, logger }));
    const session: JobSession = {
      jobId,
      spec,
      config,
      layout,
      dataset,
      schedule,
      learningRate: jobLearningRate(spec, schedule),
      trainingModel,
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
      shards: [],
      close,
    };
    return session;
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * What the job's samples were when they were first read; a job that goes on from another one's checkpoint takes over what that one found.
 */
export async function openJobContents({
  jobId,
  spec,
  name,
  dataset,
  redis,
  logger,
}: Pick<JobSessionOptions, 'jobId' | 'spec' | 'name' | 'logger'> & {
  readonly dataset: Dataset;
  readonly redis: RedisConnection;
}): Promise<ContentTable | undefined> {
  if (dataset.isFingerprintWhole) return undefined;
  const nameOf = (job: string): string => `${job}:${dataset.fingerprint.slice(0, 16)}`;
  const table = openContentTable({ redis, name: nameOf(jobId), reader: name });
  const { resumeFrom } = spec.checkpoint;
  if (resumeFrom !== undefined && isTraining(spec)) {
    const { job } = await readCheckpointState(resumeFrom).catch((error: unknown) => {
      logger.warn({ error }, 'what the checkpoint was trained on cannot be looked up');
      return { job: undefined };
    });
    if (typeof job === 'string') await table.inherit(nameOf(job), dataset.length);
  }
  return table;
}

type Defined<Value> = { [Key in keyof Value]: Exclude<Value[Key], undefined> };

function withoutUndefined<Value extends object>(value: Value): Partial<Defined<Value>> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Partial<Defined<Value>>;
}
