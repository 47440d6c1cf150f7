import { type PositionRange, positionsOfMicroBatch, type Schedule } from '@maestro/data';

/** Micro-batches announced to the loader: the one in use and those ahead of it. */
export const PREFETCH = 4;

/**
 * Returns a member's micro-batches as one sequence over steps: `(step, index, count)` gives `count` of them starting with micro-batch
 * `index` of `step`.
 */
export function microBatchOrder(
  schedule: Schedule,
  ranks: readonly number[],
): (step: number, index: number, count: number) => PositionRange[] {
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
