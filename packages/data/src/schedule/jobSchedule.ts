import { dilocoOf, type JobSpec } from '@maestro/protocol';
import type { LearningRateSchedule } from './learningRate.ts';
import { planSchedule, type Schedule } from './schedule.ts';

/** Default share of a run spent on warm-up; the paper's 40 of 800 epochs (He et al. 2021, table 8). */
const WARMUP_SHARE = 0.05;

/** Plans the steps of a job over a data set of `samples`. A run given in steps may end within an epoch. */
export function jobSchedule({ schedule, resources }: JobSpec, samples: number): Schedule {
  const { microBatch, accumulation, windowSteps, lastBatch, epochs, steps } = schedule;
  const length = epochs !== undefined ? { epochs } : { epochs: steps!, maxSteps: steps! };
  return planSchedule({ samples, virtualRanks: resources.virtualRanks, microBatch, accumulation, windowSteps, lastBatch, ...length });
}

/**
 * Returns a job's learning rate as a function of the epoch. The epochs of a run given in steps follow from its steps. The rate is scaled by
 * the batch of one optimiser step: that of one replica when replicas train apart.
 */
export function jobLearningRate(spec: JobSpec, { globalBatch, totalSteps, stepsPerEpoch }: Schedule): LearningRateSchedule {
  const { schedule } = spec;
  const epochs = totalSteps / stepsPerEpoch;
  const { baseLr, minLr, warmupEpochs = WARMUP_SHARE * epochs } = schedule;
  return {
    baseLr,
    minLr,
    globalBatch: globalBatch / (dilocoOf(spec)?.replicas ?? 1),
    warmupEpochs: Math.min(warmupEpochs, epochs),
    epochs,
  };
}
