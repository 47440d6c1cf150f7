import { addDigests, mostBroken, type PositionRange, tooManyBroken } from '@maestro/data';
import { type FeatureSet, knnAccuracyInThread } from '@maestro/evaluation';
import { MaestroError, type RankShare, type SkippedImage } from '@maestro/protocol';
import type { KnnSession } from '../session/knnSession.ts';
import { microBatchOrder, PREFETCH } from './microBatchOrder.ts';
import type { StepOptions, StepProgram } from './runSteps.ts';

/** Options of {@link createEncodeProgram}. */
export interface EncodeProgramOptions extends StepOptions {
  readonly session: KnnSession;
}

/**
 * Encodes all training samples in the step order of a training job, then encodes and classifies the test samples: `results` of the session.
 * A hold ends it after a step, or during the phase after the last step. The accuracy depends on the job alone.
 *
 * Throws the signal's reason when aborted, between batches; the session keeps the features of the steps that it counts. Also throws
 * MaestroError `data-invalid`, `non-finite`.
 */
export function createEncodeProgram(options: EncodeProgramOptions): StepProgram {
  const { session, onPhase, isHoldWanted, faults, onSkipped, contents, signal } = options;
  const { schedule, training } = session;
  const { virtualRanks, accumulation } = schedule;
  const ranks = Array.from({ length: virtualRanks }, (_, rank) => rank);
  const upcoming = microBatchOrder(schedule, ranks);

  return {
    async run(step, frame) {
      // Encode: each virtual rank's samples.
      let encodeSeconds = 0;
      const shares: RankShare[] = [];
      for (const rank of ranks) {
        let [images, digest, content] = [0, 0, 0];
        for (let micro = 0; micro < accumulation; micro++) {
          signal.throwIfAborted();
          onPhase(step, 'compute');
          await faults.reach(step, 'forward');
          const batch = await training.encode(upcoming(step, rank * accumulation + micro, PREFETCH), signal);
          images += batch.images;
          digest = addDigests(digest, batch.digest);
          content = addDigests(content, batch.content);
          contents.note(batch.readings);
          encodeSeconds += batch.seconds;
          if (batch.skipped.length > 0) onSkipped(step, batch.skipped);
        }
        shares.push({ images, digest, content });
      }

      await frame.contentsSettled();

      // Commit: nothing is learned, so only the images are reported.
      await faults.reach(step, 'apply');
      signal.throwIfAborted();
      session.state = step + 1;
      const images = shares.reduce((sum, share) => sum + share.images, 0);
      return { metrics: {}, images, ranks: shares, rankSeconds: encodeSeconds / virtualRanks, isEnd: () => isHoldWanted(step) };
    },
    finish: () => classify(options),
  };
}

/** Encodes the test samples and classifies them by their neighbours; a hold restarts this. */
async function classify({ session, onPhase, isHoldWanted, onSkipped, signal }: EncodeProgramOptions): Promise<'finished' | 'held'> {
  const { knn, config, schedule, training, checkpoint, dataset } = session;
  const { totalSteps, microBatch } = schedule;
  const onProgress = (): void => onPhase(totalSteps, 'classify');
  onProgress();
  const test = session.openTest();
  try {
    const samples = session.test.length;
    const batches = batchesOf(samples, microBatch);
    const broken: SkippedImage[] = [];
    for (let i = 0; i < batches.length; i++) {
      signal.throwIfAborted();
      const { skipped } = await test.encode(batches.slice(i, i + PREFETCH), signal);
      onProgress();
      if (skipped.length > 0) onSkipped(totalSteps, skipped);
      broken.push(...skipped);
      if (broken.length > mostBroken(samples)) throw tooManyBroken({ broken: broken.length, samples, named: broken });
      if (isHoldWanted(totalSteps)) return 'held';
    }
    const [known, asked] = [training.features(), test.features()];
    const [trainSamples, testSamples] = [labelled(known), labelled(asked)];
    for (const [name, count] of Object.entries({ data: trainSamples, 'knn.test': testSamples })) {
      if (count === 0) throw new MaestroError('data-invalid', `${name}: none of its samples has a label and can be read`);
    }
    const { k, temperature } = knn;
    const input = { train: known, test: asked, dim: config.embedDim, k, temperature, areUnit: true };
    session.results = {
      knnAccuracy: await knnAccuracyInThread(input, { onProgress, signal }),
      trainSamples,
      testSamples,
      classes: dataset.classes.length,
      checkpointStep: checkpoint.step,
    };
    return 'finished';
  } finally {
    await test.close();
  }
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
