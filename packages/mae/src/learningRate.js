import { MaestroError } from '@maestro/protocol';

/** A base learning rate is given for a global batch of this many images (Goyal et al. 2017, "linear scaling rule"). */
const REFERENCE_BATCH = 256;
/** The highest learning rate of a schedule: baseLr * globalBatch / 256. */
export function peakLearningRate({ baseLr, globalBatch }) {
  return (baseLr * globalBatch) / REFERENCE_BATCH;
}
/**
 * The learning rate at a moment of training, set anew at every step.
 * @param epoch epochs since the start, with the fraction done of the current one; clamped to 0..epochs.
 * @throws MaestroError `invalid-argument` when the schedule has no epochs or the warm-up is longer than the run.
 */
export function learningRateAt(schedule, epoch) {
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
//# sourceMappingURL=learningRate.js.map
