import type { LocalStep } from '@maestro/collective';
import { addDigests, type Loader, type Schedule } from '@maestro/data';
import type { GradientTree } from '@maestro/engine';
import type { SkippedImage } from '@maestro/protocol';
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

/** Creates a member's computer of virtual ranks. */
export function openRankComputer(options: ComputeOptions): RankComputer {
  const { schedule, ranks, trainer, loader, contents, isHoldWanted, faults, onPhase, onSkipped, offer, signal } = options;
  const { accumulation } = schedule;
  const upcoming = microBatchOrder(schedule, ranks);
  const scalars = new Float64Array(ranks.length * SCALARS_PER_RANK);
  let skipped: SkippedImage[] = [];
  let skippedStep = -1;

  return {
    scalars,
    get skipped() {
      return skipped;
    },
    async run({ step, program, gradScale, replica = 0 }) {
      if (step !== skippedStep) skipped = [];
      skippedStep = step;
      let computeSeconds = 0;
      for (const local of program) {
        if (local.op === 'leaf') {
          const leaf = ranks.indexOf(local.rank);
          let loss = 0;
          let images = 0;
          let digest = 0;
          let content = 0;
          const at = leaf * SCALARS_PER_RANK;
          scalars.fill(0, at, at + SCALARS_PER_RANK);
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
            const accumulate = micro > 0;
            const result = await trainer.forwardBackward({ inputs, count, gradScale, accumulate, replica });
            loss += result.loss;
            for (const [i, sum] of result.sums.entries()) scalars[at + OWN_SERIES + i]! += sum;
            computeSeconds += result.seconds;
            images += count;
            digest = addDigests(digest, batch.digest);
            content = addDigests(content, batch.content);
            if (batch.skipped.length > 0) onSkipped(step, batch.skipped);
            skipped.push(...batch.skipped);
            batch.release();
          }
          await trainer.pushLeaf();
          scalars[at + LOSS] = loss;
          scalars[at + IMAGES] = images;
          scalars[at + DIGEST] = digest;
          scalars[at + CONTENT] = content;
          scalars[at + HOLD] = isHoldWanted(step) ? 1 : 0;
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
