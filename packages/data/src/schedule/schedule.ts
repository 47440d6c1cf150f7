import { MaestroError } from '@maestro/protocol';

/** Options of {@link planSchedule}; they decide which samples each step takes. */
export interface ScheduleOptions {
  /** Samples in the data set. */
  readonly samples: number;
  readonly virtualRanks: number;
  /** Samples per virtual rank and accumulation. */
  readonly microBatch: number;
  /** Micro-batches that each virtual rank accumulates in one step. */
  readonly accumulation?: number;
  readonly epochs: number;
  /** Ends the run after this many steps if that is before the last epoch's end. */
  readonly maxSteps?: number;
  /** Steps per window, the unit in which samples are leased; the last window of an epoch may be shorter. */
  readonly windowSteps?: number;
  /** Handling of an epoch's last samples when they do not fill a step: left out of that epoch, or a smaller step. Never duplicates. */
  readonly lastBatch?: 'drop' | 'keep';
}

/** Validated {@link ScheduleOptions} with the derived sizes. Steps, epochs and windows count from 0. */
export interface Schedule extends Required<Omit<ScheduleOptions, 'maxSteps'>> {
  /** Samples per full step: virtualRanks x microBatch x accumulation. */
  readonly globalBatch: number;
  readonly stepsPerEpoch: number;
  readonly windowsPerEpoch: number;
  readonly totalSteps: number;
}

/** A range of positions in an epoch's permutation. */
export interface PositionRange {
  readonly epoch: number;
  readonly first: number;
  readonly count: number;
}

/** Consecutive steps of one epoch. `window` counts from 0 in each epoch. */
export interface StepWindow {
  readonly epoch: number;
  readonly window: number;
  readonly firstStep: number;
  readonly steps: number;
}

/** One virtual rank's part of a window: the unit that a worker leases. The schedule gives its samples. */
export interface Shard extends StepWindow {
  readonly virtualRank: number;
}

/**
 * Plans the steps, windows and epochs of a run.
 *
 * @throws MaestroError `invalid-argument` when an option is not a positive integer, or the data set does not fill one step.
 */
export function planSchedule(options: ScheduleOptions): Schedule {
  const { samples, virtualRanks, microBatch, accumulation = 1, epochs, maxSteps, windowSteps = 16, lastBatch = 'drop' } = options;
  for (const [name, value] of Object.entries({ samples, virtualRanks, microBatch, accumulation, epochs, maxSteps, windowSteps })) {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 1)) {
      throw new MaestroError('invalid-argument', `schedule.${name}: expected a whole number of at least 1, found ${value}`);
    }
  }
  const globalBatch = virtualRanks * microBatch * accumulation;
  const stepsPerEpoch = lastBatch === 'keep' ? Math.ceil(samples / globalBatch) : Math.floor(samples / globalBatch);
  if (stepsPerEpoch === 0) {
    throw new MaestroError(
      'invalid-argument',
      `schedule: ${samples} ${samples === 1 ? 'sample does' : 'samples do'} not fill one step of ${globalBatch} (${virtualRanks} ` +
        `virtual ranks x ${microBatch} x ${accumulation}); lower microBatch or virtualRanks, or set lastBatch to 'keep'`,
    );
  }
  const totalSteps = Math.min(stepsPerEpoch * epochs, maxSteps ?? Number.POSITIVE_INFINITY);
  const windowsPerEpoch = Math.ceil(stepsPerEpoch / windowSteps);
  return {
    samples,
    virtualRanks,
    microBatch,
    accumulation,
    epochs,
    windowSteps,
    lastBatch,
    globalBatch,
    stepsPerEpoch,
    windowsPerEpoch,
    totalSteps,
  };
}

/** Returns all positions of `step`: globalBatch of them, fewer only in a kept last step. */
export function positionsOfStep(schedule: Schedule, step: number): PositionRange {
  const { stepsPerEpoch, globalBatch, samples } = schedule;
  requireStep(schedule, step);
  const first = (step % stepsPerEpoch) * globalBatch;
  return {
    epoch: Math.floor(step / stepsPerEpoch),
    first,
    count: Math.min(globalBatch, samples - first),
  };
}

/**
 * Returns the positions of one micro-batch. A step's positions are split evenly, in order, over (virtual rank, micro-batch), so that a kept
 * last step keeps every rank busy; `count` may then be below microBatch, even 0.
 */
export function positionsOfMicroBatch(
  schedule: Schedule,
  {
    step,
    virtualRank,
    micro = 0,
  }: {
    readonly step: number;
    readonly virtualRank: number;
    readonly micro?: number;
  },
): PositionRange {
  const { virtualRanks, accumulation } = schedule;
  if (!(virtualRank >= 0 && virtualRank < virtualRanks && micro >= 0 && micro < accumulation)) {
    throw new MaestroError('internal', `internal: virtual rank ${virtualRank}, micro-batch ${micro} of ${virtualRanks} x ${accumulation}`);
  }
  const { epoch, first, count } = positionsOfStep(schedule, step);
  const cells = virtualRanks * accumulation;
  const cell = virtualRank * accumulation + micro;
  const from = Math.floor((cell * count) / cells);
  return {
    epoch,
    first: first + from,
    count: Math.floor(((cell + 1) * count) / cells) - from,
  };
}

/** Returns the positions of all micro-batches of one virtual rank in one step: they are contiguous. */
export function positionsOfRank(schedule: Schedule, step: number, virtualRank: number): PositionRange {
  const { epoch, first } = positionsOfMicroBatch(schedule, { step, virtualRank });
  const last = positionsOfMicroBatch(schedule, { step, virtualRank, micro: schedule.accumulation - 1 });
  return { epoch, first, count: last.first + last.count - first };
}

/** Returns the steps of an epoch, from `firstStep` up to but excluding `endStep`. The run may end within its last epoch. */
export function stepsOfEpoch(
  { stepsPerEpoch, totalSteps }: Schedule,
  epoch: number,
): { readonly firstStep: number; readonly endStep: number } {
  return { firstStep: epoch * stepsPerEpoch, endStep: Math.min((epoch + 1) * stepsPerEpoch, totalSteps) };
}

/** Returns the window that contains `step`. No window crosses the end of an epoch or of the run. */
export function windowOfStep(schedule: Schedule, step: number): StepWindow {
  const { stepsPerEpoch, windowSteps, totalSteps } = schedule;
  requireStep(schedule, step);
  const epoch = Math.floor(step / stepsPerEpoch);
  const window = Math.floor((step % stepsPerEpoch) / windowSteps);
  const firstStep = epoch * stepsPerEpoch + window * windowSteps;
  const end = Math.min(firstStep + windowSteps, (epoch + 1) * stepsPerEpoch, totalSteps);
  return { epoch, window, firstStep, steps: end - firstStep };
}

/** Returns the shards of `window`, one per virtual rank. */
export function shardsOfWindow(schedule: Schedule, window: StepWindow): Shard[] {
  return Array.from({ length: schedule.virtualRanks }, (_, virtualRank) => ({ ...window, virtualRank }));
}

function requireStep({ totalSteps }: Schedule, step: number): void {
  if (!Number.isSafeInteger(step) || step < 0 || step >= totalSteps) {
    throw new MaestroError('internal', `internal: step ${step} lies outside 0..${totalSteps - 1}`);
  }
}
