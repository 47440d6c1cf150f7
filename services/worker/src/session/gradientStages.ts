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
const STAGE_ENDS = [3 / 8, 5 / 8, 7 / 8, 1];

/** Below so many elements, one message between two members, a stage is not worth a round of its own. */
const LEAST_STAGE = 4 * SUM_SQUARES_BLOCK;

/** Plans the stages of a gradient: at most four, in the order in which they are complete; none for a model that is too small. */
export function gradientStages({ tensors, length }: FlatLayout): readonly GradientStage[] {
  const stages: GradientStage[] = [];
  let end = length;
  for (const share of STAGE_ENDS) {
    const first = share === 1 ? 0 : Math.round((length * (1 - share)) / SUM_SQUARES_BLOCK) * SUM_SQUARES_BLOCK;
    // A stage that is too small becomes part of the next one; so does a cut that leaves too little.
    if (first > 0 && (end - first < LEAST_STAGE || first < LEAST_STAGE)) continue;
    const inside = tensors.filter(({ offset, size }) => offset + size > first && offset + size <= end);
    stages.push({ range: { first, length: end - first }, parameters: inside.map(({ name }) => name) });
    // A tensor that lies across the cut belongs to this stage alone.
    end = first;
  }
  return stages.length > 1 ? stages : [];
}
