import type { AllReduceResult, LocalStep } from '@maestro/collective';
import { addDigests, type Loader, type PositionRange, positionsOfMicroBatch, positionsOfStep, type Schedule } from '@maestro/data';
import type { Trainer } from '@maestro/engine';
import { type AdamWOptions, type FloatRange, type SegmentedFloats, SUM_SQUARES_BLOCK, sliceParts } from '@maestro/kernels';
import {
  type FlatLayout,
  type FlatTensor,
  keptPatches,
  type LearningRateSchedule,
  learningRateAt,
  type MaeConfig,
  patchCount,
  patchLength,
} from '@maestro/mae';
import { type JobSpec, MaestroError, type RankShare, type SkippedImage } from '@maestro/protocol';
import type { Faults } from './faults.ts';
import type { ShardReader } from './shardReader.ts';

/** What a member does, as it shows in heartbeats and error messages. The middle ones are the phases of a step, in their order. */
export type Phase =
  | 'preparing'
  | 'ready'
  | 'forming'
  | 'heal'
  | 'lease'
  | 'data'
  | 'compute'
  | 'reduce'
  | 'apply'
  | 'report'
  | 'checkpoint'
  | 'held'
  | 'finished'
  | 'stopping';

/** What a member reports of a step that it has applied; times in seconds. */
export interface StepReport {
  /** Steps done, this one included. */
  readonly step: number;
  readonly loss: number;
  /** Euclidean norm of the summed gradient. */
  readonly gradNorm: number;
  readonly lr: number;
  /** Images in the global batch, broken ones left out. */
  readonly images: number;
  readonly stepSeconds: number;
  /** By virtual rank: images read, and the digest of the samples taken. */
  readonly ranks: readonly RankShare[];
  /** Computing time of one of this member's virtual ranks. */
  readonly rankSeconds: number;
}

/** How gradients become new parameters: on all members alike, or by the owners of their parts. */
export interface Replication {
  /** Where the trainer's `reduced` holds the sum after `reduce`. */
  readonly reducedRange: FloatRange;
  /** Sums the partials over all members; every member gets the same scalars and sums of squares. */
  readonly reduce: (options: { readonly step: number; readonly scalars: Float64Array }) => Promise<AllReduceResult>;
  /** Whether this member wants the state after the step `step` (its index) to be saved by all; asked before each reduction. */
  readonly isSaveWanted: (step: number) => Promise<boolean>;
  /** Applies the step that was reduced. `report` says what it was. */
  readonly apply: (options: { readonly step: number; readonly adamW: AdamWOptions; readonly report: () => StepReport }) => Promise<void>;
  /** What all do after a step that is to be saved. */
  readonly save: (step: number) => Promise<void>;
}

/** Everything a member trains with. */
export interface TrainLoopOptions {
  readonly spec: JobSpec;
  readonly config: MaeConfig;
  readonly layout: FlatLayout;
  readonly schedule: Schedule;
  readonly learningRate: LearningRateSchedule;
  /** Steps already done. */
  readonly startStep: number;
  /** The order in which this member's virtual ranks are computed and added. */
  readonly program: readonly LocalStep[];
  readonly trainer: Trainer;
  readonly loader: Loader;
  readonly shards: ShardReader;
  readonly replication: Replication;
  readonly onPhase: (step: number, phase: Phase) => void;
  /** Whether this member wants the view to end after the step `step` (its index); all members then end with it. */
  readonly isHoldWanted: (step: number) => boolean;
  readonly faults: Faults;
  /** Called with images that this member could not read. */
  readonly onSkipped: (step: number, images: readonly SkippedImage[]) => void;
  /** Called after each step that was applied, and saved by all or not; the next step waits for it. */
  readonly onStep: (report: StepReport, isSaved: boolean) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Scalars that each virtual rank contributes to a step: its part of the loss, its images, their digest, and whether to hold or save after it. */
export const SCALARS_PER_RANK = 5;
const [LOSS, IMAGES, DIGEST, HOLD, SAVE] = [0, 1, 2, 3, 4];

/** Micro-batches that the loader is told of ahead of the one in use. */
const PREFETCH = 4;

/**
 * Trains from `startStep` to the end of the schedule, or to the step after which a member wants to hold: that wish travels with the
 * gradients, so that all members end with the same step. Parameters, moments and losses depend on the job alone; how many members share
 * the virtual ranks changes only the time it takes.
 *
 * @throws the signal's reason when it is aborted, between phases; the trainer then holds the state of the last applied step.
 * @throws MaestroError `non-finite`, `data-invalid`, `peer-lost`, `redis-unavailable`.
 */
export async function trainLoop(options: TrainLoopOptions): Promise<'finished' | 'held'> {
  const {
    spec,
    config,
    layout,
    schedule,
    learningRate,
    startStep,
    program,
    trainer,
    loader,
    shards,
    replication,
    onPhase,
    isHoldWanted,
    faults,
    onSkipped,
    onStep,
    signal,
  } = options;
  const { virtualRanks, accumulation, totalSteps, stepsPerEpoch } = schedule;
  const removed = patchCount(config) - keptPatches(config);
  const ranks = program.flatMap((local) => (local.op === 'leaf' ? [local.rank] : []));
  const upcoming = microBatchOrder(schedule, ranks);
  const scalars = new Float64Array(ranks.length * SCALARS_PER_RANK);

  for (let step = startStep; step < totalSteps; step++) {
    const startedMs = performance.now();
    const lr = learningRateAt(learningRate, step / stepsPerEpoch);
    const planned = positionsOfStep(schedule, step).count;
    // d(loss)/d(prediction) = 2 error / (P * removed * B): micro-batch gradients sum to the global batch's.
    const gradScale = 2 / (patchLength(config) * removed * planned);

    // Data: the window's shards are ours, and the next ones are asked for.
    onPhase(step, 'lease');
    await faults.reach(step, 'lease');
    await shards.enter(step);

    // Compute: each virtual rank's gradient, added along the fixed tree as far as this member's ranks reach.
    let leaf = 0;
    let computeSeconds = 0;
    for (const local of program) {
      if (local.op === 'leaf') {
        let loss = 0;
        let images = 0;
        let digest = 0;
        for (let micro = 0; micro < accumulation; micro++) {
          signal.throwIfAborted();
          onPhase(step, 'data');
          await faults.reach(step, 'decode');
          const wanted = upcoming(step, leaf * accumulation + micro, PREFETCH);
          loader.prefetch(wanted);
          const batch = await loader.batch(wanted[0]!, { signal });
          onPhase(step, 'compute');
          const { count, idsShuffle } = batch;
          await faults.reach(step, 'forward');
          const result = await trainer.forwardBackward({ images: batch.images, idsShuffle, count, gradScale, accumulate: micro > 0 });
          loss += result.loss;
          computeSeconds += result.seconds;
          images += count;
          digest = addDigests(digest, batch.digest);
          if (batch.skipped.length > 0) onSkipped(step, batch.skipped);
          batch.release();
        }
        await trainer.pushLeaf();
        scalars.set([loss, images, digest, 0, 0], leaf * SCALARS_PER_RANK);
        leaf++;
      } else if (local.op === 'merge') {
        await trainer.mergeTop();
      } else {
        await trainer.takePartial(local.index);
      }
    }

    // Reduce: the tree's upper part, over all members; every member gets the same sum and the same scalars.
    signal.throwIfAborted();
    onPhase(step, 'reduce');
    await faults.reach(step, 'reduce-scatter');
    scalars[SAVE] = (await replication.isSaveWanted(step)) ? 1 : 0;
    scalars[HOLD] = isHoldWanted(step) ? 1 : 0;
    const total = await replication.reduce({ step, scalars });
    const images = sumOverRanks(total.scalars, virtualRanks, IMAGES);
    // Each micro-batch's loss was divided by the images planned; broken ones count for neither.
    const loss = images === 0 ? Number.NaN : (sumOverRanks(total.scalars, virtualRanks, LOSS) * planned) / images;
    const gradNorm = Math.sqrt(total.sumSquares);
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
      throw nonFinite({ step, loss, layout, total, reduced: trainer.reduced, range: replication.reducedRange });
    }

    // Apply: the same AdamW, whoever applies it.
    const isHeld = sumOverRanks(total.scalars, virtualRanks, HOLD) > 0;
    const isSaved = sumOverRanks(total.scalars, virtualRanks, SAVE) > 0;
    const shares = Array.from({ length: virtualRanks }, (_, rank) => ({
      images: total.scalars[rank * SCALARS_PER_RANK + IMAGES]!,
      digest: total.scalars[rank * SCALARS_PER_RANK + DIGEST]!,
    }));
    const rankSeconds = computeSeconds / ranks.length;
    const report = (): StepReport => {
      const stepSeconds = (performance.now() - startedMs) / 1000;
      return { step: step + 1, loss, gradNorm, lr, images, stepSeconds, ranks: shares, rankSeconds };
    };
    onPhase(step, 'apply');
    await faults.reach(step, 'apply');
    await replication.apply({ step, adamW: { ...spec.optimizer, lr, step: step + 1 }, report });
    if (isSaved) {
      onPhase(step, 'checkpoint');
      await replication.save(step);
    }
    await shards.leave(step);
    await onStep(report(), isSaved);
    if (isHeld) return 'held';
  }
  return 'finished';
}

/** Sums one scalar over the virtual ranks in order, so that the sum is the same whoever computed them. */
function sumOverRanks(scalars: Float64Array, virtualRanks: number, which: number): number {
  let sum = 0;
  for (let rank = 0; rank < virtualRanks; rank++) sum += scalars[rank * SCALARS_PER_RANK + which]!;
  return sum;
}

/** The member's micro-batches as one sequence over steps: `(step, index, count)` gives `count` of them from micro-batch `index` of `step`. */
function microBatchOrder(schedule: Schedule, ranks: readonly number[]): (step: number, index: number, count: number) => PositionRange[] {
  const { accumulation, totalSteps } = schedule;
  const perStep = ranks.length * accumulation;
  return (step, index, count) => {
    const ranges: PositionRange[] = [];
    for (let i = index; i < index + count; i++) {
      const at = step + Math.floor(i / perStep);
      if (at >= totalSteps) break;
      const cell = i % perStep;
      ranges.push(
        positionsOfMicroBatch(schedule, { step: at, virtualRank: ranks[Math.floor(cell / accumulation)]!, micro: cell % accumulation }),
      );
    }
    return ranges;
  };
}

/** Names the tensors whose gradients are not finite: the first few are where to look. Of what others have summed it is known block by block. */
function nonFinite({
  step,
  loss,
  layout,
  total: { blockSumSquares },
  reduced,
  range,
}: {
  readonly step: number;
  readonly loss: number;
  readonly layout: FlatLayout;
  readonly total: AllReduceResult;
  readonly reduced: SegmentedFloats;
  readonly range: FloatRange;
}): MaestroError {
  const isBad = ({ offset, size }: FlatTensor): boolean => {
    const isHere = range.first <= offset && offset + size <= range.first + range.length;
    if (isHere) return sliceParts(reduced, offset, size).some(({ floats }) => !floats.every(Number.isFinite));
    const first = Math.floor(offset / SUM_SQUARES_BLOCK);
    return !blockSumSquares.subarray(first, Math.ceil((offset + size) / SUM_SQUARES_BLOCK)).every(Number.isFinite);
  };
  const names = layout.tensors.filter(isBad).map(({ name }) => name);
  const where =
    names.length === 0
      ? 'no gradient'
      : `the gradients of ${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;
  return new MaestroError(
    'non-finite',
    `step ${step}: loss ${loss}, and ${where} are not finite; lower schedule.baseLr, or lengthen the warm-up`,
    { details: { step, loss, names } },
  );
}
