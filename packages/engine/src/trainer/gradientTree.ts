import type { SegmentedArenaDescription, SegmentedFloats } from '@maestro/kernels';
import type { EngineLogger } from '../engineLogger.ts';
import type { OutputPath } from '../gradients/outputPath.ts';
import type { ComputeThread } from '../threads/computeThread.ts';
import type { TrainerCalls } from './trainerHost.ts';
import type { MicroBatchInput, MicroBatchResult, PartialStage, TrainerReady } from './trainerMessages.ts';

/** Gradients of micro batches, and their sum along a binary tree: a leaf that is computed, and a stack of finished subtrees. */
export interface GradientTree {
  /** `maxPartials` shared gradient vectors that `takePartial` writes and the collective reads. */
  readonly partials: readonly SegmentedFloats[];
  /** The shared gradient vector that the collective writes and `apply` reads. */
  readonly reduced: SegmentedFloats;
  /** To open `partials` (`partial0`..) and `reduced` on another thread, by `openSegments`. */
  readonly shared: SegmentedArenaDescription<string>;
  /** How outputs come back now. */
  readonly outputPath: OutputPath;
  /** Computes the gradient of one micro batch: it becomes the leaf, or is added to it when `accumulate`. */
  forwardBackward(batch: MicroBatchInput): Promise<MicroBatchResult>;
  /** Pushes the leaf on the stack of subtrees. */
  pushLeaf(): Promise<void>;
  /** Replaces the top two subtrees by their sum, left + right. */
  mergeTop(): Promise<void>;
  /** Pops the top subtree into `partials[index]`. */
  takePartial(index: number): Promise<void>;
  /**
   * In place of the last micro batch's `forwardBackward`, `pushLeaf`, `merges` times `mergeTop`, and `takePartial`: computes one stage of it
   * and does the same to the range of the gradient that is then complete, which nobody changes after. All stages are to be called, in
   * order. The first gives the loss.
   */
  finishPartial(stage: PartialStage): Promise<MicroBatchResult>;
  /** Pops the top subtree into `reduced`, where `apply` looks; gives its sum of squares, as an all-reduce would. */
  takeReduced(): Promise<{ readonly sumSquares: number }>;
  /**
   * As `takeReduced`, for a member that has no peers: the gradient stays where it is for `apply`, and `reduced` is not written unless
   * something is not finite. Where state is on a device the sum of squares is good to float32; else it has the same bits.
   */
  keepReduced(): Promise<{ readonly sumSquares: number }>;
  /** Drops the leaf and the stack, to begin a step again. */
  clearTree(): Promise<void>;
}

/** The gradient tree of a compute thread. */
export function gradientTreeOf(
  thread: ComputeThread<TrainerCalls, TrainerReady>,
  vectors: Pick<GradientTree, 'partials' | 'reduced' | 'shared'>,
  logger: EngineLogger | undefined,
): GradientTree {
  let path = thread.ready.outputPath;
  if (path === 'copying') logger?.warn({ reason: thread.ready.outputPathReason }, 'outputs are copied');
  const noted = (result: MicroBatchResult): MicroBatchResult => {
    if (result.fallback === undefined) return result;
    path = 'copying';
    logger?.warn({ reason: result.fallback }, 'outputs are copied');
    return result;
  };
  return {
    ...vectors,
    get outputPath() {
      return path;
    },
    forwardBackward: async (batch) => noted(await thread.call('forwardBackward', batch)),
    finishPartial: async (stage) => noted(await thread.call('finishPartial', stage)),
    pushLeaf: () => thread.call('pushLeaf', undefined),
    mergeTop: () => thread.call('mergeTop', undefined),
    takePartial: (index) => thread.call('takePartial', index),
    takeReduced: () => thread.call('takeReduced', undefined),
    keepReduced: () => thread.call('keepReduced', undefined),
    clearTree: () => thread.call('clearTree', undefined),
  };
}
