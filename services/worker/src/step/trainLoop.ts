import type { LocalStep } from '@maestro/collective';
import { type Loader, positionsOfStep, type Schedule } from '@maestro/data';
import type { Trainer } from '@maestro/engine';
import { type FlatLayout, type LearningRateSchedule, learningRateAt } from '@maestro/mae';
import type { JobSpec } from '@maestro/protocol';
import type { RecipePlan } from '@maestro/recipes';
import type { Replication } from '../exchange/replication.ts';
import { openRankComputer } from './computeRanks.ts';
import { nonFinite } from './nonFinite.ts';
import { type StepLoopOptions, type StepReport, settleContents } from './stepLoop.ts';
import { HOLD, imagesOf, LOSS, SAVE, sharesOf, sumOverRanks } from './stepScalars.ts';
import { toldMetrics } from './toldMetrics.ts';

/** Everything a member trains with. */
export interface TrainLoopOptions extends StepLoopOptions {
  readonly spec: JobSpec;
  readonly plan: RecipePlan;
  readonly layout: FlatLayout;
  readonly schedule: Schedule;
  readonly learningRate: LearningRateSchedule;
  /** The order in which this member's virtual ranks are computed and added. */
  readonly program: readonly LocalStep[];
  readonly trainer: Trainer;
  readonly loader: Loader;
  readonly replication: Replication;
}

/**
 * Trains from `startStep` to the end of the schedule, or to the step after which a member wants to hold: that wish travels with the
 * gradients, so that all members end with the same step. Parameters, moments and losses depend on the job alone; how many members share
 * the virtual ranks changes only the time it takes.
 *
 * @throws the signal's reason when it is aborted, between phases; the trainer then holds the state of the last applied step.
 * @throws MaestroError `non-finite`, `data-invalid`, `peer-lost`, `redis-unavailable`.
 */
export async function trainLoop(options: TrainLoopOptions): Promise<'finished' | 'held'> {
  const { spec, plan, layout, schedule, learningRate, startStep, program, trainer, shards, replication, onPhase, faults, onStep, signal } =
    options;
  const { totalSteps, stepsPerEpoch } = schedule;
  const ranks = program.flatMap((local) => (local.op === 'leaf' ? [local.rank] : []));
  const computer = openRankComputer({ ...options, ranks });
  const told = toldMetrics(spec);

  for (let step = startStep; step < totalSteps; step++) {
    const startedMs = performance.now();
    const lr = learningRateAt(learningRate, step / stepsPerEpoch);
    const planned = positionsOfStep(schedule, step).count;
    const gradScale = plan.lossScale(planned);

    // Data: the window's shards are ours, and the next ones are asked for.
    onPhase(step, 'lease');
    await faults.reach(step, 'lease');
    await shards.enter(step);

    // Compute: each virtual rank's gradient, added along the fixed tree as far as this member's ranks reach.
    const computeSeconds = await computer.run({ step, program, gradScale });

    // Content: the samples have the bytes that they had for whoever read them first.
    await settleContents(options, step, totalSteps);

    // Reduce: the tree's upper part, over all members; every member gets the same sum and the same scalars.
    signal.throwIfAborted();
    onPhase(step, 'reduce');
    await faults.reach(step, 'reduce-scatter');
    computer.scalars[SAVE] = (await replication.isSaveWanted(step)) ? 1 : 0;
    const total = await replication.reduce({ step, scalars: computer.scalars });
    const images = imagesOf(total.scalars, step, computer.skipped);
    // Each micro-batch's loss was divided by the images planned; broken ones count for neither.
    const loss = (sumOverRanks(total.scalars, LOSS) * planned) / images;
    const gradNorm = Math.sqrt(total.sumSquares);
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
      throw nonFinite({ step, loss, layout, total, reduced: trainer.reduced, range: replication.reducedRange });
    }

    // Apply: the same AdamW, whoever applies it.
    const isHeld = sumOverRanks(total.scalars, HOLD) > 0;
    const isSaved = sumOverRanks(total.scalars, SAVE) > 0;
    const shares = sharesOf(total.scalars);
    const metrics = told({ loss, learningRate: lr, gradNorm });
    const rankSeconds = computeSeconds / ranks.length;
    const report = (): StepReport => {
      const stepSeconds = (performance.now() - startedMs) / 1000;
      return { step: step + 1, loss, metrics, images, stepSeconds, ranks: shares, rankSeconds };
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
