import type { LocalStep } from '@maestro/collective';
import { type LearningRateSchedule, type Loader, learningRateAt, positionsOfStep, type Schedule } from '@maestro/data';
import type { GradientTree, OptimizerAccess } from '@maestro/engine';
import type { JobSpec } from '@maestro/protocol';
import { ownSeries, type RecipePlan } from '@maestro/recipes';
import type { ParameterLayout } from '@maestro/tensors';
import type { Exchange } from '../exchange/exchange.ts';
import { openRankComputer } from './computeRanks.ts';
import { nonFinite } from './nonFinite.ts';
import { reportOf, type StepOptions, type StepOutcome, type StepProgram } from './runSteps.ts';
import { HOLD, imagesOf, LOSS, ownMetricsOf, SAVE, sharesOf, sumOverRanks } from './stepScalars.ts';
import { toldMetrics } from './toldMetrics.ts';

/** Options common to the programs of a training job. */
export interface TrainOptions extends StepOptions {
  readonly spec: JobSpec;
  readonly plan: RecipePlan;
  readonly layout: ParameterLayout;
  readonly schedule: Schedule;
  readonly learningRate: LearningRateSchedule;
  readonly trainer: GradientTree & OptimizerAccess;
  readonly loader: Loader;
}

/** Options of {@link createGradientProgram}. */
export interface GradientProgramOptions extends TrainOptions {
  /** Order in which this member computes and adds its virtual ranks. */
  readonly order: readonly LocalStep[];
  readonly exchange: Exchange;
}

/**
 * One training step: computes every virtual rank's gradient, sums them in a fixed order, and applies the sum. A member's request to hold
 * travels with the gradients, so that all members stop after the same step. Parameters, moments and losses depend on the job alone; the
 * number of members that share the virtual ranks affects only the time a step takes.
 *
 * `run` throws the signal's reason when aborted, between phases; the trainer then holds the state of the last applied step. Also throws
 * MaestroError `non-finite`, `data-invalid`, `peer-lost`.
 */
export function createGradientProgram(options: GradientProgramOptions): StepProgram {
  const { spec, plan, layout, schedule, learningRate, order, trainer, exchange, onPhase, faults, signal } = options;
  const ranks = order.flatMap((local) => (local.op === 'leaf' ? [local.rank] : []));
  const computer = openRankComputer({ ...options, ranks, offer: exchange.offer, ...(exchange.staged && { staged: exchange.staged }) });
  const told = toldMetrics(spec);
  const ownNames = ownSeries(spec);

  return {
    async run(step, frame) {
      const lr = learningRateAt(learningRate, step / schedule.stepsPerEpoch);
      const planned = positionsOfStep(schedule, step).count;
      const gradScale = plan.lossScale(planned);
      exchange.begin(step);

      // Compute: each virtual rank's gradient, added along the fixed tree as far as this member's ranks reach.
      const computeSeconds = await computer.run({ step, program: order, gradScale });

      await frame.contentsSettled();

      // Reduce: the tree's upper part, over all members; every member gets the same sum and the same scalars.
      signal.throwIfAborted();
      onPhase(step, 'reduce');
      await faults.reach(step, 'reduce-scatter');
      computer.scalars[SAVE] = (await exchange.wantsSave()) ? 1 : 0;
      const total = await exchange.finish(computer.scalars);
      const images = imagesOf(total.scalars, step, computer.skipped);
      // Each micro-batch's loss was divided by the planned images; broken ones count in neither.
      const loss = (sumOverRanks(total.scalars, LOSS) * planned) / images;
      const gradNorm = Math.sqrt(total.sumSquares);
      if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
        throw nonFinite({ step, loss, layout: layout.trainable, total, reduced: trainer.reduced, range: exchange.reducedRange });
      }

      // Apply: the optimiser's same step, whoever applies it.
      const isHeld = sumOverRanks(total.scalars, HOLD) > 0;
      const isSaved = sumOverRanks(total.scalars, SAVE) > 0;
      const metrics = told({ loss, learningRate: lr, gradNorm, ...ownMetricsOf(total.scalars, ownNames, images) });
      const rankSeconds = computeSeconds / ranks.length;
      const outcome: StepOutcome = { loss, metrics, images, ranks: sharesOf(total.scalars), rankSeconds, isSaved, isEnd: () => isHeld };
      const report = () => reportOf(outcome, step, frame.seconds());
      onPhase(step, 'apply');
      await faults.reach(step, 'apply');
      await exchange.apply({ update: { lr, step: step + 1 }, report });
      if (isSaved) {
        onPhase(step, 'checkpoint');
        await exchange.save();
      }
      return outcome;
    },
  };
}
