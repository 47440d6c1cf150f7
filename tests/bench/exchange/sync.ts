import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Cluster, fashionMnist, startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { augmentConfig, loadImages, openDataset } from '@maestro/data';
import { loadCheckpoint, openModel, reconstruct } from '@maestro/evaluation';
import { isTerminal, type Job, parseJobSpec } from '@maestro/protocol';

const WORKERS = 2;
const STEPS = 300;
const TEST_IMAGES = 512;
/** Number of last steps over which a run's loss is averaged. */
const LAST_STEPS = 30;

const CASES: readonly { readonly title: string; readonly sync: object }[] = [
  { title: 'all-reduce', sync: { mode: 'allReduce' } },
  { title: 'all-reduce, bf16 all-gather', sync: { mode: 'allReduce', allGather: 'bf16' } },
  { title: '2 replicas, 10 inner steps', sync: { mode: 'diloco', replicas: 2, innerSteps: 10 } },
  { title: '2 replicas, 10 inner steps, bf16', sync: { mode: 'diloco', replicas: 2, innerSteps: 10, allGather: 'bf16' } },
  { title: '2 replicas, 50 inner steps', sync: { mode: 'diloco', replicas: 2, innerSteps: 50 } },
];

/**
 * Compares what each mode of `sync` sends and learns: real jobs on two workers, Fashion-MNIST, the same seed and samples, a small model.
 * Training loss over the last steps, the error of the last checkpoint on masked patches of test images, and the bytes that a worker sends
 * its peer per step.
 */
export async function benchSync(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-sync-'));
  const path = await fashionMnist(resolve('.maestro', 'data'), (text) => process.stdout.write(`${text}\n`));
  try {
    for (const [index, { title, sync }] of CASES.entries()) {
      // One cluster each, so that its logs belong to one job.
      const dataDir = join(dir, String(index));
      const cluster = await startCluster({ workers: WORKERS, dataDir });
      try {
        process.stdout.write(`sync ${title}: ${await runCase(cluster, { dataDir, path, sync })}\n`);
      } finally {
        await cluster.stop();
      }
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function runCase(
  cluster: Cluster,
  { dataDir, path, sync }: { readonly dataDir: string; readonly path: string; readonly sync: object },
): Promise<string> {
  const client = connectJobClient(cluster.coordinator);
  const file = {
    model: {
      preset: 'mae_vit_tiny_patch4',
      embedDim: 96,
      depth: 3,
      decoderEmbedDim: 48,
      decoderDepth: 1,
      normPixLoss: false,
    },
    data: { format: 'idx', path },
    augment: { scale: [0.6, 1] },
    schedule: { steps: STEPS, microBatch: 8, baseLr: 4e-3 },
    resources: { virtualRanks: 8, minWorkers: WORKERS, maxWorkers: WORKERS },
    checkpoint: { everySteps: 1_000_000 },
    sync,
  };
  try {
    const losses: number[] = [];
    let job: Job = await client.submitJob({ spec: file });
    for await (const now of client.watchJob(job.id)) {
      job = now;
      const { step = 0, metrics: { loss = 0 } = {} } = now.progress ?? {};
      if (step > STEPS - LAST_STEPS) losses[step] = loss;
    }
    if (!isTerminal(job.state) || job.state !== 'succeeded') throw new Error(`bench sync: ${job.message}`);
    const seen = losses.filter((loss) => loss > 0);
    const loss = seen.reduce((sum, each) => sum + each, 0) / seen.length;
    const { error, meanFill, parameters } = await testError(file, path, job.checkpoints.at(-1)!.path);
    const sent = await sentBytes(dataDir);
    const total = Object.values(sent).reduce((sum, bytes) => sum + bytes, 0) / STEPS;
    const scalars = sent['scalars'] === undefined ? '' : `, ${(sent['scalars'] / STEPS).toFixed(0)} bytes of them scalars`;
    const { images } = job.progress!;
    return (
      `${images} images, loss ${loss.toFixed(4)}, error on masked patches of ${TEST_IMAGES} test images ${error.toFixed(5)} ` +
      `(${((100 * error) / meanFill).toFixed(1)} % of mean fill); a worker sends ${(total / 1e3).toFixed(1)} kB a step${scalars} ` +
      `(parameters: ${((4 * parameters) / 1e3).toFixed(0)} kB)`
    );
  } finally {
    client.close();
  }
}

async function testError(
  file: object,
  path: string,
  checkpoint: string,
): Promise<{ readonly error: number; readonly meanFill: number; readonly parameters: number }> {
  const spec = parseJobSpec(file);
  const model = await openModel(spec);
  try {
    await loadCheckpoint(model, checkpoint);
    const { config, evaluator, layout } = model;
    const channels = config.channels as 1 | 3;
    const { mean, std } = augmentConfig(channels);
    const normalisation = { mean, std };
    const dataset = await openDataset({ format: 'idx', path, split: 'test' });
    const samples = Array.from({ length: TEST_IMAGES }, (_, i) => i);
    const { images } = await loadImages(dataset, samples, { imageSize: config.imageSize, channels, normalisation });
    const { maskedMse, meanFillMse } = await reconstruct({ evaluator, config, images, statistics: normalisation, seed: 0 });
    return { error: maskedMse, meanFill: meanFillMse, parameters: layout.length };
  } finally {
    await model.evaluator.close();
  }
}

/** Returns what the first worker logged at the end of its view. */
async function sentBytes(dataDir: string): Promise<Readonly<Record<string, number>>> {
  const log = await readFile(join(dataDir, 'logs', 'worker-a.log'), 'utf8');
  const line = log.split('\n').find((each) => each.includes('"view over"'));
  if (line === undefined) throw new Error('bench sync: worker-a logged no end of its view');
  return (JSON.parse(line) as { readonly sentBytes: Readonly<Record<string, number>> }).sentBytes;
}
