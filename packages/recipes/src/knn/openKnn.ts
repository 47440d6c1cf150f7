import { augmentConfig, type Dataset, mostBroken, type PositionRange, tooManyBroken } from '@maestro/data';
import { type FeatureSet, knnAccuracyInThread, loadParameters, openModel } from '@maestro/evaluation';
import { MaestroError, type Metrics, type SkippedImage } from '@maestro/protocol';
import type { FinishOptions, Measuring, MeasuringTools } from '../measuring/measuring.ts';
import { knnOf } from './knnSpec.ts';
import { openSampleEncoder, type SampleEncoder } from './sampleEncoder.ts';

/** Batches of test samples that are loaded at a time. */
const PREFETCH = 4;

/**
 * Opens the test samples and the checkpoint's encoder. Training samples are encoded as they are taken; at the end the test samples are, and
 * their neighbours vote. The accuracy depends on the job alone.
 * @throws MaestroError of whatever cannot be opened; `data-invalid` when there are no classes to tell apart.
 */
export async function openKnn({ spec, dataset, openDataset, compute, onStage, signal }: MeasuringTools): Promise<Measuring> {
  const knn = knnOf(spec);
  onStage(`it opens the data set ${knn.test.path}`);
  const test = await openDataset(knn.test);
  const labelOf = testLabels(dataset, test);
  const model = await openModel(spec, { ...compute, isInitialised: false, hasFeatures: true });
  const { config, layout, normalisation, evaluator } = model;
  try {
    onStage(`it reads the checkpoint ${knn.checkpoint}`);
    const checkpoint = await loadParameters(model, knn.checkpoint);
    signal.throwIfAborted();
    const { microBatch } = spec.schedule;
    const augment = augmentConfig(config.channels as 1 | 3, normalisation);
    const encoding = { evaluator, config, augment, seed: spec.seed, microBatch };
    const training = openSampleEncoder({ ...encoding, dataset });
    const vote = async (tests: SampleEncoder, { onProgress, signal: aborted }: FinishOptions): Promise<Metrics> => {
      const [known, asked] = [training.features(), tests.features()];
      const [trainSamples, testSamples] = [labelled(known), labelled(asked)];
      for (const [name, count] of Object.entries({ data: trainSamples, 'knn.test': testSamples })) {
        if (count === 0) throw new MaestroError('data-invalid', `${name}: none of its samples has a label and can be read`);
      }
      const { k, temperature } = knn;
      const input = { train: known, test: asked, dim: config.embedDim, k, temperature, areUnit: true };
      return {
        knnAccuracy: await knnAccuracyInThread(input, { onProgress, signal: aborted }),
        trainSamples,
        testSamples,
        classes: dataset.classes.length,
        checkpointStep: checkpoint.step,
      };
    };
    return {
      layout,
      stateHash: checkpoint.checkpointHash,
      identity: { testFingerprint: test.fingerprint, checkpointHash: checkpoint.checkpointHash },
      about: { checkpoint: knn.checkpoint, ...checkpoint },
      take: (wanted, aborted) => training.encode(wanted, aborted),
      async finish(options) {
        const tests = openSampleEncoder({ ...encoding, dataset: test, labelOf });
        try {
          const isDone = await encodeAll(tests, { ...options, samples: test.length, microBatch });
          return isDone ? await vote(tests, options) : 'held';
        } finally {
          await tests.close();
        }
      },
      async close() {
        await training.close();
        await evaluator.close();
      },
    };
  } catch (error) {
    await evaluator.close();
    throw error;
  }
}

/** Encodes all samples; false when a hold came first. */
async function encodeAll(
  encoder: SampleEncoder,
  { samples, microBatch, onProgress, isHoldWanted, onSkipped, signal }: FinishOptions & { samples: number; microBatch: number },
): Promise<boolean> {
  onProgress();
  const batches = batchesOf(samples, microBatch);
  const broken: SkippedImage[] = [];
  for (let i = 0; i < batches.length; i++) {
    signal.throwIfAborted();
    const { skipped } = await encoder.encode(batches.slice(i, i + PREFETCH), signal);
    onProgress();
    if (skipped.length > 0) onSkipped(skipped);
    broken.push(...skipped);
    if (broken.length > mostBroken(samples)) throw tooManyBroken({ broken: broken.length, samples, named: broken });
    if (isHoldWanted()) return false;
  }
  return true;
}

function labelled({ labels }: FeatureSet): number {
  return labels.reduce((count, label) => (label < 0 ? count : count + 1), 0);
}

function batchesOf(length: number, size: number): PositionRange[] {
  return Array.from({ length: Math.ceil(length / size) }, (_, i) => ({
    epoch: 0,
    first: i * size,
    count: Math.min(size, length - i * size),
  }));
}

/** Maps labels of test samples to the classes of the training samples: two folders may have different ones. */
function testLabels(training: Dataset, test: Dataset): (index: number) => number | undefined {
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
