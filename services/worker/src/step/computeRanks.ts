import type { LocalStep } from '@maestro/collective';
import { addDigests, type Loader, type Schedule } from '@maestro/data';
import type { GradientTree, MicroBatchInput, MicroBatchResult } from '@maestro/engine';
import type { SkippedImage } from '@maestro/protocol';
import type { StagedOffer } from '../exchange/exchange.ts';
import type { Faults } from '../process/faults.ts';
import type { ContentCheck } from '../session/contentCheck.ts';
import { microBatchOrder, PREFETCH } from './microBatchOrder.ts';
import type { Phase } from './phase.ts';
import { CONTENT, DIGEST, HOLD, IMAGES, LOSS, OWN_SERIES, SCALARS_PER_RANK } from './stepScalars.ts';

/** Options of {@link openRankComputer}. */
export interface ComputeOptions {
  readonly schedule: Schedule;
  /** All of this member's virtual ranks, in the order in which they are computed in a step. */
  readonly ranks: readonly number[];
  readonly trainer: GradientTree;
  readonly loader: Loader;
  readonly contents: Pick<ContentCheck, 'note'>;
  /** Returns whether this member wants the view to end after the step `step` (its index). */
  readonly isHoldWanted: (step: number) => boolean;
  readonly faults: Faults;
  readonly onPhase: (step: number, phase: Phase) => void;
  /** Called with images that this member could not read. */
  readonly onSkipped: (step: number, images: readonly SkippedImage[]) => void;
  /** The subtree on top of the trainer's stack is complete: number `partial` of the program. */
  readonly offer: (partial: number) => Promise<void>;
  /** Takes the last subtree of a program in stages. Absent: it is offered like the others. */
  readonly staged?: StagedOffer;
  readonly signal: AbortSignal;
}

/** A part of a step: its virtual ranks, and the weight of their gradients. */
export interface ComputePart {
  readonly step: number;
  /** The order in which virtual ranks are computed and added. */
  readonly program: readonly LocalStep[];
  readonly gradScale: number;
  /** Replica whose parameters are used. Default 0. */
  readonly replica?: number;
}

/** Computes a member's virtual ranks. */
export interface RankComputer {
  /** SCALARS_PER_RANK for each virtual rank of this member, as `run` leaves them. */
  readonly scalars: Float64Array;
  /** Images of the last step that this member could not read. */
  readonly skipped: readonly SkippedImage[];
  /**
   * Computes each virtual rank's gradient, and adds them along the fixed tree as far as the program reaches. Returns the compute time in
   * seconds.
   * @throws the signal's reason when it aborts, between micro-batches; MaestroError `data-invalid`.
   */
  run(part: ComputePart): Promise<number>;
}

/** The end of a program from its last leaf on: how often that is merged, and which partial it becomes. */
interface Tail {
  readonly leaf: number;
  readonly merges: number;
  readonly partial: number;
}

function tailOf(program: readonly LocalStep[]): Tail {
  const leaf = program.findLastIndex(({ op }) => op === 'leaf');
  const end = program.at(-1);
  return {
    leaf,
    merges: program.slice(leaf).filter(({ op }) => op === 'merge').length,
    partial: end?.op === 'take' ? end.index : 0,
  };
}

/** Creates a member's computer of virtual ranks. */
export function openRankComputer(options: ComputeOptions): RankComputer {
  const { schedule, ranks, trainer, loader, contents, isHoldWanted, faults, onPhase, onSkipped, offer, staged, signal } = options;
  const { accumulation } = schedule;
  const upcoming = microBatchOrder(schedule, ranks);
  const scalars = new Float64Array(ranks.length * SCALARS_PER_RANK);
  let skipped: SkippedImage[] = [];
  let skippedStep = -1;

  /** Computes the last micro-batch of a program, and offers the last subtree stage by stage. */
  const finishInStages = async (step: number, batch: MicroBatchInput, { early, offer: offerStage }: StagedOffer, tail: Tail) => {
    // All are requested at once, so that the compute thread never waits for this one, which moves gradients.
    const stages = Array.from({ length: early + 1 }, (_, stage) => trainer.finishPartial({ ...batch, ...tail, stage }));
    for (const each of stages) each.catch(() => undefined);
    const first = await stages[0]!;
    let { seconds } = first;
    for (const [stage, each] of stages.entries()) {
      if (stage > 0) seconds += (await each).seconds;
      signal.throwIfAborted();
      if (stage === early) break;
      offerStage(stage);
      if (stage === 0) await faults.reach(step, 'backward');
    }
    return { ...first, seconds } satisfies MicroBatchResult;
  };

  return {
    scalars,
    get skipped() {
      return skipped;
    },
    async run({ step, program, gradScale, replica = 0 }) {
      if (step !== skippedStep) skipped = [];
      skippedStep = step;
      let computeSeconds = 0;
      const tail = tailOf(program);
      for (const [at, local] of program.entries()) {
        if (local.op === 'leaf') {
          const isTail = staged !== undefined && at === tail.leaf;
          const leaf = ranks.indexOf(local.rank);
          let loss = 0;
          let images = 0;
          let digest = 0;
          let content = 0;
          const place = leaf * SCALARS_PER_RANK;
          scalars.fill(0, place, place + SCALARS_PER_RANK);
          for (let micro = 0; micro < accumulation; micro++) {
            signal.throwIfAborted();
            onPhase(step, 'data');
            await faults.reach(step, 'decode');
            const wanted = upcoming(step, leaf * accumulation + micro, PREFETCH);
            loader.prefetch(wanted);
            const batch = await loader.batch(wanted[0]!, { signal });
            contents.note(batch.readings);
            onPhase(step, 'compute');
            const { count, inputs } = batch;
            await faults.reach(step, 'forward');
            const input = { inputs, count, gradScale, accumulate: micro > 0, replica };
            const result =
              isTail && micro === accumulation - 1 ? await finishInStages(step, input, staged, tail) : await trainer.forwardBackward(input);
            loss += result.loss;
            for (const [i, sum] of result.sums.entries()) scalars[place + OWN_SERIES + i]! += sum;
            computeSeconds += result.seconds;
            images += count;
            digest = addDigests(digest, batch.digest);
            content = addDigests(content, batch.content);
            if (batch.skipped.length > 0) onSkipped(step, batch.skipped);
            skipped.push(...batch.skipped);
            batch.release();
          }
          if (!isTail) await trainer.pushLeaf();
          scalars[place + LOSS] = loss;
          scalars[place + IMAGES] = images;
          scalars[place + DIGEST] = digest;
          scalars[place + CONTENT] = content;
          scalars[place + HOLD] = isHoldWanted(step) ? 1 : 0;
          // What follows was done stage by stage.
          if (isTail) break;
        } else if (local.op === 'merge') {
          await trainer.mergeTop();
        } else {
          await offer(local.index);
        }
      }
      return computeSeconds;
    },
  };
}
