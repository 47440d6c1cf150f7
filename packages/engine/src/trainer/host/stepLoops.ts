import { addFloats, blockSumSquares, type SegmentedFloats, SUM_SQUARES_BLOCK } from '@maestro/kernels';
import { loadNative } from '@maestro/native';
import type { PrepareStep } from '@maestro/optim';
import type { TrainerHostOptions } from '../trainerMessages.ts';

/** The loops over whole vectors that a step has beside the graph. Their bits do not depend on what runs them. */
export interface StepLoops {
  /** What takes the optimiser's steps; undefined: WebAssembly. */
  readonly prepare: PrepareStep | undefined;
  /** target += source, on equally cut vectors of one arena. */
  add(target: SegmentedFloats, source: SegmentedFloats): void;
  /** The sum of squares of each block of the vector, as `blockSumSquares` in packages/kernels. */
  blockSumSquares(vector: SegmentedFloats, out: Float64Array): void;
}

/** Opens the loops of the native library on all threads of the trainer; without one, or one that this thread cannot load, WebAssembly. */
export function openStepLoops({ library: path, threads }: Pick<TrainerHostOptions, 'library' | 'threads'>): StepLoops {
  const library = path === undefined ? undefined : loadNative(path);
  if (library === undefined || typeof library === 'string') {
    return { prepare: undefined, add: addFloats, blockSumSquares: (vector, out) => blockSumSquares(vector, 0, vector.length, out) };
  }
  return {
    prepare: (kernel, pieces) => library.prepareStep(kernel, pieces, threads),
    add(target, source) {
      for (const [k, { floats }] of target.parts.entries()) library.add(floats, floats, source.parts[k]!.floats, threads);
    },
    blockSumSquares(vector, out) {
      let next = 0;
      for (const { start, floats } of vector.parts) {
        const end = start + floats.length;
        // A block that two parts have goes through WebAssembly.
        for (; next * SUM_SQUARES_BLOCK < start; next++)
          blockSumSquares(vector, next * SUM_SQUARES_BLOCK, SUM_SQUARES_BLOCK, out.subarray(next));
        const first = next * SUM_SQUARES_BLOCK;
        const count = end === vector.length ? Math.ceil((end - first) / SUM_SQUARES_BLOCK) : Math.floor((end - first) / SUM_SQUARES_BLOCK);
        if (count <= 0) continue;
        const whole = floats.subarray(first - start, Math.min(first - start + count * SUM_SQUARES_BLOCK, floats.length));
        library.blockSquares(whole, SUM_SQUARES_BLOCK, out.subarray(next, next + count), threads);
        next += count;
      }
    },
  };
}
