import { addDigests, type PositionRange, positionsDigest, positionsOfRank, positionsOfStep, type Schedule } from '@maestro/data';

/** Consecutive steps (indices) of one epoch: from .. to - 1. */
export interface EpochSteps {
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
}

/** Digest of the samples that a virtual rank takes in a step (an index). */
export function rankDigest({
  schedule,
  seed,
  step,
  virtualRank,
}: {
  readonly schedule: Schedule;
  readonly seed: number;
  readonly step: number;
  readonly virtualRank: number;
}): number {
  return positionsDigest(positionsOfRank(schedule, step, virtualRank), { seed, samples: schedule.samples });
}

/** Digest of all samples that a virtual rank takes in the steps first .. last. */
export function rankStepsDigest({
  schedule,
  seed,
  first,
  last,
  virtualRank,
}: {
  readonly schedule: Schedule;
  readonly seed: number;
  readonly first: number;
  readonly last: number;
  readonly virtualRank: number;
}): number {
  let digest = 0;
  for (let step = first; step <= last; step++) digest = addDigests(digest, rankDigest({ schedule, seed, step, virtualRank }));
  return digest;
}

/** Counts the samples that a virtual rank takes in the steps first .. end - 1. */
export function rankSamples(schedule: Schedule, virtualRank: number, first: number, end: number): number {
  let samples = 0;
  for (let step = first; step < end; step++) samples += positionsOfRank(schedule, step, virtualRank).count;
  return samples;
}

/** Returns the positions that all virtual ranks take in consecutive steps of an epoch; they are contiguous. */
export function positionsOfSteps(schedule: Schedule, { epoch, from, to }: EpochSteps): PositionRange {
  const { first } = positionsOfStep(schedule, from);
  const last = positionsOfStep(schedule, to - 1);
  return { epoch, first, count: last.first + last.count - first };
}

/** Digest of all samples of consecutive steps of an epoch. */
export function stepsDigest(schedule: Schedule, seed: number, steps: EpochSteps): number {
  return positionsDigest(positionsOfSteps(schedule, steps), { seed, samples: schedule.samples });
}
