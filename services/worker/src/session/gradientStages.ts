import { type FloatRange, SUM_SQUARES_BLOCK } from '@maestro/kernels';
import type { FlatLayout } from '@maestro/tensors';

/** A part of the flat gradient that is complete, and can leave, before the parts that follow. */
export interface GradientStage {
  /** Cut at multiples of the blocks whose squares are summed, so that no sum depends on the cut. */
  readonly range: FloatRange;
  /** The parameters whose gradients it needs, beside those of earlier stages. */
  readonly parameters: readonly string[];
}

/**
 * Where stages end, in shares of the vector from its end: the backward pass meets parameters in the reverse of their order. The last stage
 * is the smallest, since nothing hides its communication.
 */
const STAGE_ENDS = [3 / 8, 5 / 8, 7 / 8];

/** Below so many elements, one message between two members, a stage is not worth a round of its own. */
const LEAST_STAGE = 4 * SUM_SQUARES_BLOCK;

/** Plans the stages of a gradient: at most four, in the order in which they are complete; none for a model that is too small. */
export function gradientStages({ tensors, length }: FlatLayout): readonly GradientStage[] {
  const cuts: number[] = [];
  let end = length;
  /** Where the tensor begins that reaches furthest into what is left: it belongs to the stage before, and a stage has tensors of its own. */
  let left = tensors.length;
  for (const share of STAGE_ENDS) {
    const cut = Math.round((length * (1 - share)) / SUM_SQUARES_BLOCK) * SUM_SQUARES_BLOCK;
    const after = tensors.findIndex(({ offset, size }) => offset + size > cut);
    if (end - cut < LEAST_STAGE || cut < LEAST_STAGE || after >= left || after < 1) continue;
    cuts.push(cut);
    end = cut;
    left = after;
  }
  if (cuts.length === 0) return [];
  const ends = [length, ...cuts];
  return ends.map((last, stage): GradientStage => {
    const first = ends[stage + 1] ?? 0;
    // A tensor that lies across a cut belongs to the stage that is run first.
    const own = tensors.filter(({ offset, size }) => offset + size > first && offset + size <= last);
    return { range: { first, length: last - first }, parameters: own.map(({ name }) => name) };
  });
}
