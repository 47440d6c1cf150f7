import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { demoJob, fashionMnist, startCluster } from '@maestro/cli';
import { connectJobClient } from '@maestro/client';
import { type Dataset, loadImages, openDataset } from '@maestro/data';
import { encodeSamples, knnAccuracy, loadCheckpoint, openModel, reconstruct, spread } from '@maestro/evaluation';
import { type Job, parseJobSpec } from '@maestro/protocol';
import { median } from '../median.ts';

const SEEDS = [0, 1, 2];
const PRECISIONS = ['standard', 'float32', 'float32-x3', 'bfloat16'] as const;
const TOLD_STEPS = [1, 40, 160, 320, 640];
/** Step, time, value. */
type Point = readonly [number, number, number];
const EVALUATION = { images: 1000, knnTrain: 4000, knnTest: 1000 };

/**
 * Prints how a model learns in each precision: the demo's job with three seeds, its loss on the way, and of the trained encoder the error of
 * 1,000 test images and the accuracy of their nearest neighbours. One worker: more of them give the same bits. `only` names precisions.
 */
export async function benchLearning({ only }: { readonly only?: string | undefined }): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'maestro-learning-'));
  const path = await fashionMnist('.maestro/data', (line) => void process.stderr.write(`${line}\n`));
  const train = await openDataset({ format: 'idx', path, split: 'train' });
  const test = await openDataset({ format: 'idx', path, split: 'test' });
  const cluster = await startCluster({ workers: 1, dataDir: dir });
  const client = connectJobClient(cluster.coordinator);
  try {
    process.stdout.write(`learning: loss at steps ${TOLD_STEPS.join(', ')}; error on hidden patches of test images; k-NN accuracy\n`);
    for (const precision of only?.split(',') ?? PRECISIONS) {
      const ends: { readonly error: number; readonly accuracy: number }[] = [];
      for (const seed of SEEDS) {
        const job = demoJob({ data: { format: 'idx', path, split: 'train' }, channels: 1, workers: 1, samples: train.length });
        const spec = parseJobSpec({ ...job, precision, seed });
        let last: Job = await client.submitJob({ spec });
        for await (const state of client.watchJob(last.id)) last = state;
        if (last.state !== 'succeeded') throw new Error(`bench learning: ${last.message}`);
        const answer = await fetch(`http://${cluster.http}/api/v1/jobs/${last.id}/metrics?series=loss&points=${TOLD_STEPS.at(-1)}`);
        const { series } = (await answer.json()) as { readonly series: readonly [{ readonly points: readonly Point[] }] };
        const lossAt = (step: number): number => series[0].points.findLast(([at]) => at <= step)?.[2] ?? Number.NaN;
        const end = await evaluate(spec, last.checkpoints.at(-1)!.path, { train, test });
        ends.push(end);
        const curve = TOLD_STEPS.map((step) => lossAt(step).toFixed(4)).join(' ');
        process.stdout.write(
          `  ${precision.padEnd(11)} seed ${seed}: ${curve}; ${end.error.toFixed(4)}; ${(100 * end.accuracy).toFixed(1)} %\n`,
        );
      }
      const [error, accuracy] = [median(ends.map((end) => end.error)), median(ends.map((end) => end.accuracy))];
      process.stdout.write(`  ${precision.padEnd(11)} median: ${error.toFixed(4)}; ${(100 * accuracy).toFixed(1)} %\n`);
    }
  } finally {
    client.close();
    await cluster.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

async function evaluate(
  spec: ReturnType<typeof parseJobSpec>,
  checkpoint: string,
  { train, test }: { readonly train: Dataset; readonly test: Dataset },
): Promise<{ readonly error: number; readonly accuracy: number }> {
  const model = await openModel(spec, { threads: 2 });
  try {
    await loadCheckpoint(model, checkpoint);
    const { evaluator, config, normalisation } = model;
    const of = { evaluator, config, normalisation };
    const known = await encodeSamples({ ...of, dataset: train, samples: EVALUATION.knnTrain });
    const asked = await encodeSamples({ ...of, dataset: test, samples: EVALUATION.knnTest });
    const { imageSize, channels } = config;
    const { images } = await loadImages(test, spread(test.length, EVALUATION.images), {
      imageSize,
      channels: channels as 1 | 3,
      normalisation,
    });
    const { maskedMse } = await reconstruct({ evaluator, config, images, statistics: normalisation, seed: 0 });
    return { error: maskedMse, accuracy: knnAccuracy(known, asked, config.embedDim) };
  } finally {
    await model.evaluator.close();
  }
}
