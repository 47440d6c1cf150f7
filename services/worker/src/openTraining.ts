import { join } from 'node:path';
import { type LocalStep, treeSubtrees } from '@maestro/collective';
import { augmentConfig, jobLearningRate, jobSchedule, openDataset, openLoader, openShardQueue } from '@maestro/data';
import { openTrainer } from '@maestro/engine';
import { buildTrainingModel, flatLayout, maeConfig, parameterSpecs, patchCount } from '@maestro/mae';
import { type Formed, type JobSpec, type MaestroError, specHash } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { writeArtifacts } from './artifacts.ts';
import { type Checkpointer, createCheckpointer } from './checkpointer.ts';
import type { MemberOptions } from './member.ts';
import { restore } from './restore.ts';
import { runtimeIdentity } from './runtimeIdentity.ts';
import { openShardReader } from './shardReader.ts';
import { SCALARS_PER_RANK, type TrainLoopOptions } from './trainLoop.ts';

/** Peers may build their models for so long, in milliseconds, before a member gives up on them. */
const JOIN_TIMEOUT_MS = 120_000;

/** All that a member trains with, opened and in the state of the view's first step. */
export interface Training extends Omit<TrainLoopOptions, 'startStep' | 'onPhase' | 'onSkipped' | 'onStep' | 'signal'> {
  readonly checkpointer: Checkpointer;
  /** What the members of a view must agree on. */
  readonly identity: Pick<Formed, 'datasetLength' | 'identityJson'>;
  close(): Promise<void>;
}

/** What {@link openTraining} takes beside the member's options. */
export interface OpenTrainingOptions extends MemberOptions {
  readonly spec: JobSpec;
  readonly logger: Logger;
}

/**
 * Opens data set, model, queues and collective of a view and restores its state. What was opened is closed again when a later part fails.
 * @throws MaestroError of whatever cannot be opened.
 */
export async function openTraining(options: OpenTrainingOptions): Promise<Training> {
  const { spec, view, self, dataDir, redisUrl, device, threads, collective, send, logger, signal } = options;
  const { jobId, generation, members } = view;
  const me = members.find(({ id }) => id === self)!;
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closeOne of closers.splice(0).reverse()) await closeOne();
  };
  const opened = <Value>(value: Value, closeIt: (value: Value) => Promise<unknown>): Value => {
    closers.push(() => closeIt(value));
    return value;
  };

  try {
    const config = maeConfig(spec.model);
    const layout = flatLayout(parameterSpecs(config));
    const dataset = await openDataset(spec.data, { signal });
    const schedule = jobSchedule(spec, dataset.length);
    const local = treeSubtrees(me.firstRank, me.ranks, schedule.virtualRanks);

    const trainingModel = buildTrainingModel(config);
    const { imageSize, channels } = config;
    const trainer = opened(
      await openTrainer({
        trainingModel,
        layout,
        imageShape: [channels, imageSize, imageSize],
        patches: patchCount(config),
        microBatch: schedule.microBatch,
        maxPartials: local.subtrees.length,
        treeDepth: local.stackDepth - 1,
        device,
        threads,
        logger,
      }),
      (value) => value.close(),
    );
    const { parameters, stateHash } = await restore({ config, layout, spec, view, trainer, logger, signal });
    if (members[0]!.id === self) {
      await writeArtifacts({ dir: join(dataDir, 'jobs', jobId, 'artifacts'), config, layout, spec, trainingModel, parameters });
    }

    const { seed, augment } = spec;
    const loader = opened(
      openLoader({
        dataset,
        imageSize,
        channels: channels as 1 | 3,
        augment: augmentConfig(channels as 1 | 3, withoutUndefined(augment)),
        seed,
        patches: patchCount(config),
        microBatch: schedule.microBatch,
      }),
      (value) => value.close(),
    );
    const queue = opened(await openShardQueue({ redis: redisUrl, jobId, generation, virtualRanks: schedule.virtualRanks }), (value) =>
      value.close(),
    );
    const shards = opened(
      openShardReader({
        queue,
        schedule,
        virtualRanks: local.steps.flatMap((step: LocalStep) => (step.op === 'leaf' ? [step.rank] : [])),
        onWaiting: (reason) => logger.info({ reason }, reason === undefined ? 'shards are here' : 'waiting for shards'),
        signal,
      }),
      (value) => value.close(),
    );
    const identity = { ...runtimeIdentity(), specHash: specHash(spec), device, threads, datasetFingerprint: dataset.fingerprint };
    const checkpointer = opened(
      createCheckpointer({
        root: join(dataDir, 'jobs', jobId, 'checkpoints'),
        keepLast: spec.checkpoint.keepLast,
        layout,
        trainer,
        state: { job: jobId, spec, identity },
        onWritten: ({ step, dir, checkpointHash }) =>
          send({ kind: 'checkpoint', jobId, generation, step, path: dir, hash: checkpointHash }),
        logger,
      }),
      (value) => value.close(),
    );
    const group = opened(
      await collective.join({
        job: jobId,
        generation,
        members,
        self,
        partials: trainer.partials.map(({ parts }) => parts.map(({ floats }) => floats)),
        reduced: trainer.reduced.parts.map(({ floats }) => floats),
        scalarsPerRank: SCALARS_PER_RANK,
        joinTimeoutMs: JOIN_TIMEOUT_MS,
        signal,
      }),
      (value) => value.close(),
    );
    signal.addEventListener('abort', () => group.abort(signal.reason as MaestroError), { once: true });

    return {
      spec,
      config,
      layout,
      schedule,
      learningRate: jobLearningRate(spec, schedule),
      program: local.steps,
      trainer,
      loader,
      shards,
      group,
      checkpointer,
      identity: { datasetLength: dataset.length, identityJson: JSON.stringify({ ...identity, stateHash }) },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

type Defined<Value> = { [Key in keyof Value]: Exclude<Value[Key], undefined> };

function withoutUndefined<Value extends object>(value: Value): Partial<Defined<Value>> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Partial<Defined<Value>>;
}
