import type { RoundTimes } from '@maestro/collective';
import { positionsOfRank } from '@maestro/data';
import { learningRateAt } from '@maestro/mae';
import { type DilocoSpec, MaestroError, ranksPerUnit } from '@maestro/protocol';
import { deltaProgram, type ReplicaExchange, type ReplicaRange, replicaProgram } from '../exchange/replicaExchange.ts';
import { openRankComputer } from './computeRanks.ts';
import { nonFinite } from './nonFinite.ts';
import { isRoundEnd } from './rounds.ts';
import { settleContents } from './stepLoop.ts';
import { HOLD, imagesOf, LOSS, SCALARS_PER_RANK, SUM_SQUARES, sharesOf, sumOverRanks } from './stepScalars.ts';
import { toldMetrics } from './toldMetrics.ts';
import type { TrainLoopOptions } from './trainLoop.ts';

/** Everything a member trains its replicas with. */
export interface DilocoLoopOptions extends Omit<TrainLoopOptions, 'replication' | 'program'> {
  readonly diloco: DilocoSpec;
  /** This member's replicas. */
  readonly own: ReplicaRange;
  readonly exchange: ReplicaExchange;
  /** Told how long a round with the peers took. */
  readonly onRound: (times: RoundTimes) => void;
  /**
   * Called at the end of a round, after its last step was reported, with why: the run is over, a member wants to hold, or neither. All
   * members come to it with the same step and the same reason.
   */
  readonly onRoundEnd: (done: number, loss: number, reason: 'finished' | 'held' | 'round') => Promise<void>;
}

const NO_SCALARS = new Float64Array(0);

/**
 * DiLoCo (Douillard et al. 2023, arXiv 2311.08105): every replica takes `innerSteps` AdamW steps of its own, then all go on from outer
 * parameters that moved by the mean of what they have moved. A step is one inner step of all replicas: it takes the samples that a step
 * with an all-reduce takes. Between outer steps members exchange scalars alone. The numbers depend on the replicas, which the job file
 * fixes, and not on who works for them.
 *
 * Ends with the run, or with the round after which a member wants to hold.
 *
 * @throws the signal's reason when it is aborted, between phases; the replicas are then at different steps, and of use to nobody.
 * @throws MaestroError `non-finite`, `data-invalid`, `peer-lost`, `redis-unavailable`.
 */
export async function dilocoLoop(options: DilocoLoopOptions): Promise<'finished' | 'held'> {
  const { spec, plan, layout, schedule, learningRate, startStep, trainer, shards, onPhase, faults, onStep, signal } = options;
  const { diloco, own, exchange, onRound, onRoundEnd } = options;
  const { totalSteps, stepsPerEpoch, virtualRanks } = schedule;
  const ranksEach = ranksPerUnit(spec);
  const ranks = Array.from({ length: own.held * ranksEach }, (_, i) => own.first * ranksEach + i);
  const programs = Array.from({ length: own.held }, (_, replica) => replicaProgram({ spec }, own.first + replica));
  const outerProgram = deltaProgram({ spec }, own);
  const computer = openRankComputer({ ...options, ranks });
  const told = toldMetrics(spec);

  /** Images that the replica of a virtual rank is due in a step. */
  const plannedOf = (step: number, rank: number): number => {
    const first = rank - (rank % ranksEach);
    const last = positionsOfRank(schedule, step, first + ranksEach - 1);
    return last.first + last.count - positionsOfRank(schedule, step, first).first;
  };

  for (let step = startStep; step < totalSteps; step++) {
    const startedMs = performance.now();
    const done = step + 1;
    const lr = learningRateAt(learningRate, step / stepsPerEpoch);

    // Data: the window's shards are ours, and the next ones are asked for.
    onPhase(step, 'lease');
    await faults.reach(step, 'lease');
    await shards.enter(step);

    // Inner step: each replica's gradient over its own virtual ranks, and AdamW at once.
    let computeSeconds = 0;
    for (const [replica, program] of programs.entries()) {
      const gradScale = plan.lossScale(plannedOf(step, ranks[replica * ranksEach]!));
      computeSeconds += await computer.run({ step, program, gradScale, replica });
      signal.throwIfAborted();
      onPhase(step, 'apply');
      await faults.reach(step, 'apply');
      const { sumSquares } = await trainer.takeReduced();
      const at = replica * ranksEach * SCALARS_PER_RANK;
      computer.scalars[at + SUM_SQUARES] = sumSquares;
      if (!Number.isFinite(sumSquares)) throw nonFinite({ step, loss: computer.scalars[at + LOSS]!, layout, reduced: trainer.reduced });
      await trainer.apply({ ...spec.optimizer, lr, step: done, replica });
    }

    // Content: the samples have the bytes that they had for whoever read them first.
    await settleContents(options, step, totalSteps);

    // What a step tells: the mean loss over images, each by the parameters of its replica, and the root of the replicas' mean squared norm.
    signal.throwIfAborted();
    onPhase(step, 'reduce');
    const { scalars } = await exchange.scalars.allReduce({ step, scalars: computer.scalars });
    onRound(exchange.scalars.times);
    const images = imagesOf(scalars, step, computer.skipped);
    let loss = 0;
    for (let rank = 0; rank < virtualRanks; rank++) loss += (scalars[rank * SCALARS_PER_RANK + LOSS]! * plannedOf(step, rank)) / images;
    if (!Number.isFinite(loss)) throw nonFinite({ step, loss, layout, reduced: trainer.reduced });
    const gradNorm = Math.sqrt(sumOverRanks(scalars, SUM_SQUARES) / diloco.replicas);
    const isHeld = sumOverRanks(scalars, HOLD) > 0;
    const shares = sharesOf(scalars);

    // Outer step: the sum of all deltas along the fixed tree over replicas, and the same Nesterov step on every member.
    const isEnd = isRoundEnd(done, diloco, totalSteps);
    if (isEnd) {
      for (const local of outerProgram) {
        if (local.op === 'leaf') await trainer.pushDelta(local.rank - own.first);
        else if (local.op === 'merge') await trainer.mergeTop();
        else await trainer.takePartial(local.index);
      }
      signal.throwIfAborted();
      onPhase(step, 'reduce');
      await faults.reach(step, 'reduce-scatter');
      const [{ finite }] = await Promise.all([exchange.deltas.allReduce({ step, scalars: NO_SCALARS }), faults.reach(step, 'all-gather')]);
      onRound(exchange.deltas.times);
      if (!finite) throw new MaestroError('non-finite', `step ${step}: what the replicas have moved is not finite; lower schedule.baseLr`);
      onPhase(step, 'apply');
      signal.throwIfAborted();
      await trainer.applyOuter({ lr: diloco.outerLr, momentum: diloco.outerMomentum, replicas: diloco.replicas, held: own.held });
    }

    await shards.leave(step);
    const stepSeconds = (performance.now() - startedMs) / 1000;
    const rankSeconds = computeSeconds / ranks.length;
    const metrics = told({ loss, learningRate: lr, gradNorm });
    await onStep({ step: done, loss, metrics, images, stepSeconds, ranks: shares, rankSeconds });
    if (!isEnd) continue;
    await onRoundEnd(done, loss, done === totalSteps ? 'finished' : isHeld ? 'held' : 'round');
    if (isHeld && done < totalSteps) return 'held';
  }
  return 'finished';
}
