import { MaestroError } from '@maestro/protocol';

/** A base learning rate is given for a global batch of this many images (Goyal et al. 2017, "linear scaling rule"). */
const REFERENCE_BATCH = 256;

/** Linear warm-up, then half a cosine. Epochs may be fractions. */
export interface LearningRateSchedule {
  /** Learning rate per 256 images of global batch; 1.5e-4 in the paper (table 8). */
  readonly baseLr: number;
  /** Images in one optimiser step, over all virtual ranks and accumulation. */
  readonly globalBatch: number;
  /** Length of the linear warm-up from 0; 40 in the paper. */
  readonly warmupEpochs: number;
  /** Length of the whole run; 800 or 1600 in the paper. */
  readonly epochs: number;
  /** Where the cosine ends; 0 in pre-training. */
  readonly minLr?: number;
}

/** The highest learning rate of a schedule: baseLr * globalBatch / 256. */
export function peakLearningRate({ baseLr, globalBatch }: Pick<LearningRateSchedule, 'baseLr' | 'globalBatch'>): number {
  return (baseLr * globalBatch) / REFERENCE_BATCH;
}

/**
 * The learning rate at a moment of training, set anew at every step.
 * @param epoch epochs since the start, with the fraction done of the current one; clamped to 0..epochs.
 * @throws MaestroError `invalid-argument` when the schedule has no epochs or the warm-up is longer than the run.
 */
export function learningRateAt(schedule: LearningRateSchedule, epoch: number): number {
  const { warmupEpochs, epochs, minLr = 0 } = schedule;
  if (!(epochs > 0) || !(warmupEpochs >= 0) || warmupEpochs > epochs) {
    throw new MaestroError(
      'invalid-argument',
      `schedule: expected 0 <= warmupEpochs <= epochs and epochs > 0, found ${warmupEpochs} and ${epochs}`,
    );
  }
  const peak = peakLearningRate(schedule);
  const at = Math.min(Math.max(epoch, 0), epochs);
  if (at < warmupEpochs) return (peak * at) / warmupEpochs;
  if (epochs === warmupEpochs) return peak;
  const done = (at - warmupEpochs) / (epochs - warmupEpochs);
  return minLr + ((peak - minLr) * (1 + Math.cos(Math.PI * done))) / 2;
}
