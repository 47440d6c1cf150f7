import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { connectJobClient, type JobClient } from '@maestro/client';
import { type Dataset, type DatasetSpec, loadImages, openDataset } from '@maestro/data';
import {
  encodeSamples,
  knnAccuracy,
  loadCheckpoint,
  type OpenModel,
  openModel,
  type Reconstruction,
  reconstruct,
  reconstructionPicture,
  spread,
} from '@maestro/evaluation';
import { type DataSpec, isMaestroError, type Job, MaestroError, parseJobSpec, readEnvironment } from '@maestro/protocol';
import { startCluster } from '../cluster/cluster.ts';
import { createProgressView } from '../job/progressView.ts';
import { type StageView, startStage } from '../job/stageView.ts';
import { DEFAULT_DATA_DIR } from '../terminal/connection.ts';
import { demoJob, STEPS } from './demoJob.ts';
import { fashionMnist } from './fashionMnist.ts';
import { type DemoReport, reportText } from './report.ts';

/** Amount of evaluation: enough for two digits, little enough for seconds. */
const EVALUATION = { images: 1000, knnTrain: 4000, knnTest: 1000, pictureRows: 8 } as const;

/** Options of the demo. */
export interface DemoOptions {
  readonly workers: number;
  readonly steps?: number;
  readonly data?: string;
  readonly json?: boolean;
}

/** Data to train and to evaluate on: for Fashion-MNIST the test split, for a folder what is held out. */
interface DemoData {
  readonly train: DataSpec;
  readonly evaluation: DatasetSpec;
}

/** Held-out share of a person's own images: larger than in a long run, since they may be few. */
const OWN_HOLD_OUT = 0.1;

/** Runs the demo end to end: data, cluster, training, evaluation, picture. With `--json`, everything for people goes to standard error. */
export async function runDemo({ workers, steps, data, json = false }: DemoOptions): Promise<void> {
  const screen = json ? process.stderr : process.stdout;
  const say = (text: string): void => void screen.write(`${text}\n`);
  const dataDir = resolve(DEFAULT_DATA_DIR, 'demo');
  await mkdir(dataDir, { recursive: true });

  const where = await demoData(data, say);
  const [train, evaluation] = [await openDataset(where.train), await openDataset(where.evaluation)];
  const jobFile = demoJob({
    data: where.train,
    channels: train.channels,
    workers,
    samples: train.length,
    ...(steps !== undefined && { steps }),
  });
  const spec = parseJobSpec(jobFile);
  say(`${train.length} images from ${where.train.path}; starting redis, a coordinator and ${workers} worker${workers === 1 ? '' : 's'}`);

  const { job, seconds } = await trainOnCluster({ jobFile, workers, dataDir, screen });
  const checkpoint = job.checkpoints.at(-1)!;
  say(
    `trained ${job.progress!.step} steps on ${job.progress!.images} images in ${seconds.toFixed(1)} s: checkpoint hash ${checkpoint.hash}`,
  );

  const stage = startStage({
    name: 'evaluating the untrained and the trained model',
    total: 2 * (imagesOf(evaluation, EVALUATION.images) + knnImages(train, evaluation)),
    output: screen,
  });
  const model = await openModel(spec, { threads: 2 });
  try {
    const before = await evaluate(model, { train, evaluation, stage });
    await loadCheckpoint(model, checkpoint.path);
    const after = await evaluate(model, { train, evaluation, stage });
    stage.end();
    const picture = join(dataDir, 'reconstruction.png');
    const { config, normalisation } = model;
    await writeFile(picture, await reconstructionPicture(after.reconstruction, { config, normalisation, rows: EVALUATION.pictureRows }));

    const { progress } = job;
    const report: DemoReport = {
      jobId: job.id,
      workers,
      steps: progress!.step,
      images: progress!.images,
      trainSeconds: seconds,
      lossFirst: progress!.firstMetrics['loss']!,
      lossLast: progress!.metrics['loss']!,
      evalMaskedMseBefore: before.reconstruction.maskedMse,
      evalMaskedMse: after.reconstruction.maskedMse,
      meanFillMse: after.reconstruction.meanFillMse,
      knnBefore: before.knn,
      knnAfter: after.knn,
      imagesPerSecond: progress!.images / seconds,
      checkpointHash: checkpoint.hash,
      checkpointPath: checkpoint.path,
      picture,
    };
    const kind = data === undefined ? 'test images' : 'held-out images';
    const setting = {
      evaluatedOn: `${after.reconstruction.count} ${kind}`,
      knnTest: `${imagesOf(evaluation, EVALUATION.knnTest)} ${kind}`,
      classes: train.classes.length,
      defaultSteps: STEPS,
      isOwnData: data !== undefined,
    };
    say(reportText(report, setting));
    if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    stage.end();
    await model.evaluator.close();
  }
}

async function demoData(folder: string | undefined, say: (text: string) => void): Promise<DemoData> {
  if (folder !== undefined) {
    const own = { format: 'image-folder', path: resolve(folder), holdOut: OWN_HOLD_OUT } as const;
    return { train: own, evaluation: { ...own, part: 'held-out' } };
  }
  const path = await fashionMnist(resolve(DEFAULT_DATA_DIR, 'data'), say);
  return { train: { format: 'idx', path, split: 'train' }, evaluation: { format: 'idx', path, split: 'test' } };
}

/** Abilities of a model: filling in hidden patches, and telling classes apart by the neighbours of its features. */
interface Evaluation {
  readonly reconstruction: Reconstruction;
  /** Share of test images; null when the samples have no labels. */
  readonly knn: number | null;
}

function imagesOf(dataset: Dataset, count: number): number {
  return Math.min(dataset.length, count);
}

/** Counts the images of one k-NN accuracy; none without labels. */
function knnImages(train: Dataset, evaluation: Dataset): number {
  return hasLabels(train) ? imagesOf(train, EVALUATION.knnTrain) + imagesOf(evaluation, EVALUATION.knnTest) : 0;
}

function hasLabels(dataset: Dataset): boolean {
  return dataset.classes.length > 1;
}

async function evaluate(
  model: OpenModel,
  { train, evaluation, stage }: { readonly train: Dataset; readonly evaluation: Dataset; readonly stage: StageView },
): Promise<Evaluation> {
  const knn = await knnOf(model, { train, evaluation, stage });
  return { knn, reconstruction: await reconstructHeldOut(model, evaluation, stage) };
}

/** Runs the job on its own cluster; Ctrl-C ends both. */
async function trainOnCluster({
  jobFile,
  workers,
  dataDir,
  screen,
}: {
  readonly jobFile: unknown;
  readonly workers: number;
  readonly dataDir: string;
  readonly screen: NodeJS.WriteStream;
}): Promise<{ readonly job: Job; readonly seconds: number }> {
  const onChange = (sentence: string): void => void screen.write(`\n${sentence}\n`);
  const cluster = await startCluster({ workers, dataDir, redisUrl: readEnvironment()['REDIS_URL'], supervise: true, onChange });
  const client = connectJobClient(cluster.coordinator);
  const view = createProgressView(screen);
  let wasInterrupted = false;
  try {
    screen.write(`dashboard: http://${cluster.http}/\n`);
    screen.write(`${cluster.processes.map(({ name, pid }) => `${name} (process ${pid})`).join(', ')}\n`);
    const submitted = await client.submitJob({ spec: jobFile });
    const interrupt = (): void => {
      wasInterrupted = true;
      client.cancelJob(submitted.id).catch(() => undefined); // The cluster ends in any case.
    };
    process.once('SIGINT', interrupt);
    process.once('SIGTERM', interrupt);
    const job = await lastState(client, submitted, view.show);
    view.end();
    if (wasInterrupted)
      throw new MaestroError('cancelled', `interrupted; its checkpoints are kept in ${join(dataDir, 'jobs', job.id, 'checkpoints')}`);
    if (job.state !== 'succeeded') {
      const last = job.checkpoints.at(-1);
      const rescue = last === undefined ? '' : `\ndemo: the state after step ${last.step} is in ${last.path}`;
      throw new MaestroError('unavailable', `job ${job.id} ${job.state}: ${job.message}${rescue}`);
    }
    return { job, seconds: (Date.parse(job.endedAt) - Date.parse(job.startedAt)) / 1000 };
  } finally {
    view.end();
    client.close();
    await cluster.stop();
  }
}

async function lastState(client: JobClient, submitted: Job, show: (job: Job) => void): Promise<Job> {
  let last = submitted;
  try {
    for await (const job of client.watchJob(submitted.id)) {
      last = job;
      show(job);
    }
  } catch (error) {
    if (!isMaestroError(error, 'unavailable')) throw error;
    throw new MaestroError('unavailable', `the coordinator was lost: ${error.message}`, { cause: error });
  }
  return last;
}

async function knnOf(
  { evaluator, config, normalisation }: OpenModel,
  { train, evaluation, stage }: { readonly train: Dataset; readonly evaluation: Dataset; readonly stage: StageView },
): Promise<number | null> {
  if (!hasLabels(train)) return null;
  const of = { evaluator, config, normalisation, onProgress: stage.advance };
  const known = await encodeSamples({ ...of, dataset: train, samples: EVALUATION.knnTrain });
  const asked = await encodeSamples({ ...of, dataset: evaluation, samples: EVALUATION.knnTest });
  return knnAccuracy(known, asked, config.embedDim);
}

async function reconstructHeldOut(
  { evaluator, config, normalisation }: OpenModel,
  dataset: Dataset,
  stage: StageView,
): Promise<Reconstruction> {
  const { imageSize, channels } = config;
  const { images } = await loadImages(dataset, spread(dataset.length, EVALUATION.images), {
    imageSize,
    channels: channels as 1 | 3,
    normalisation,
  });
  return reconstruct({ evaluator, config, images, statistics: normalisation, seed: 0, onProgress: stage.advance });
}
