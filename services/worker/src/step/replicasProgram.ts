import { learningRateAt, positionsOfRank } from '@maestro/data';
import { type DilocoSpec, ranksPerUnit } from '@maestro/protocol';
import { ownSeries } from '@maestro/recipes';
import type { ApartExchange } from '../exchange/apart.ts';
import { type ReplicaRange, replicaProgram } from '../exchange/replicaExchange.ts';
import { openRankComputer } from './computeRanks.ts';
import type { TrainOptions } from './gradientProgram.ts';
import { nonFinite } from './nonFinite.ts';
import { isRoundEnd } from './rounds.ts';
import type { StepProgram } from './runSteps.ts';
import { HOLD, imagesOf, LOSS, ownMetricsOf, SCALARS_PER_RANK, SUM_SQUARES, sharesOf, sumOverRanks } from './stepScalars.ts';
import { toldMetrics } from './toldMetrics.ts';

/** Options of {@link createReplicasProgram}. */
export interface ReplicasProgramOptions extends TrainOptions {
  readonly diloco: DilocoSpec;
  /** This member's replicas. */
  readonly own: ReplicaRange;
  readonly exchange: ApartExchange;
  /**
   * Called at the end of a round, after its last step was reported, with the reason: the run is over, a member wants to hold, or neither.
   * All members call it with the same step and the same reason.
   */
  readonly onRoundEnd: (done: number, loss: number, reason: 'finished' | 'held' | 'round') => Promise<void>;
}

/**
 * DiLoCo (Douillard et al. 2023, arXiv 2311.08105): every replica takes `innerSteps` steps of its own, then all go on from outer
 * parameters that moved by the mean of what they have moved. A step is one inner step of all replicas: it takes the samples that a step
 * with an all-reduce takes. Between outer steps members exchange scalars alone. The numbers depend on the replicas, which the job file
 * fixes, and not on who works for them.
 *
 * A view ends with the run, or with the round after which a member wants to hold.
 *
 * `run` throws the signal's reason when aborted, between phases; the replicas are then at different steps and unusable. Also throws
 * MaestroError `non-finite`, `data-invalid`, `peer-lost`.
 */
export function createReplicasProgram(options: ReplicasProgramOptions): StepProgram {
  const { spec, plan, layout, schedule, learningRate, trainer, diloco, own, exchange, onRoundEnd, onPhase, faults, signal } = options;
  const { totalSteps, stepsPerEpoch, virtualRanks } = schedule;
  const ranksEach = ranksPerUnit(spec);
  const ranks = Array.from({ length: own.held * ranksEach }, (_, i) => own.first * ranksEach + i);
  const orders = Array.from({ length: own.held }, (_, replica) => replicaProgram({ spec }, own.first + replica));
  const computer = openRankComputer({ ...options, ranks, offer: exchange.offer });
  const told = toldMetrics(spec);
  const ownNames = ownSeries(spec);

  /** Returns the planned images of a virtual rank's replica in a step. */
  const plannedOf = (step: number, rank: number): number => {
    const first = rank - (rank % ranksEach);
    const last = positionsOfRank(schedule, step, first + ranksEach - 1);
    return last.first + last.count - positionsOfRank(schedule, step, first).first;
  };

  return {
    async run(step, frame) {
      const done = step + 1;
      const lr = learningRateAt(learningRate, step / stepsPerEpoch);
      exchange.begin(step);

      // Inner step: each replica's gradient over its own virtual ranks, and the optimiser's step at once.
      let computeSeconds = 0;
      for (const [replica, program] of orders.entries()) {
        const gradScale = plan.lossScale(plannedOf(step, ranks[replica * ranksEach]!));
        computeSeconds += await computer.run({ step, program, gradScale, replica });
        signal.throwIfAborted();
        onPhase(step, 'apply');
        await faults.reach(step, 'apply');
        const { sumSquares } = await trainer.keepReduced();
        const at = replica * ranksEach * SCALARS_PER_RANK;
        computer.scalars[at + SUM_SQUARES] = sumSquares;
        if (!Number.isFinite(sumSquares))
          throw nonFinite({ step, loss: computer.scalars[at + LOSS]!, layout: layout.trainable, reduced: trainer.reduced });
        await trainer.apply({ lr, step: done, replica });
      }

      await frame.contentsSettled();

      // Report: the mean loss over images, each with the parameters of its replica, and the root of the replicas' mean squared norm.
      signal.throwIfAborted();
      onPhase(step, 'reduce');
      const { scalars } = await exchange.finish(computer.scalars);
      const images = imagesOf(scalars, step, computer.skipped);
      let loss = 0;
      for (let rank = 0; rank < virtualRanks; rank++) loss += (scalars[rank * SCALARS_PER_RANK + LOSS]! * plannedOf(step, rank)) / images;
      if (!Number.isFinite(loss)) throw nonFinite({ step, loss, layout: layout.trainable, reduced: trainer.reduced });
      const gradNorm = Math.sqrt(sumOverRanks(scalars, SUM_SQUARES) / diloco.replicas);
      const isHeld = sumOverRanks(scalars, HOLD) > 0;
      const shares = sharesOf(scalars);
      const metrics = told({ loss, learningRate: lr, gradNorm, ...ownMetricsOf(scalars, ownNames, images) });

      // Outer step: sums the moves of all replicas.
      const isRoundOver = isRoundEnd(done, diloco, totalSteps);
      if (isRoundOver) await exchange.apply();

      const isEnd = async (): Promise<boolean> => {
        if (!isRoundOver) return false;
        await onRoundEnd(done, loss, done === totalSteps ? 'finished' : isHeld ? 'held' : 'round');
        return isHeld && done < totalSteps;
      };
      return { loss, metrics, images, ranks: shares, rankSeconds: computeSeconds / ranks.length, isEnd };
    },
  };
}
