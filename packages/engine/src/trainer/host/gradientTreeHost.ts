import { type SegmentedFloats, SUM_SQUARES_BLOCK } from '@maestro/kernels';
import { assertInternal } from '@maestro/protocol';
import type { MicroBatchLoss } from '../../gradients/gradientRun.ts';
import type { DeviceState } from '../deviceState.ts';
import type { GradientSlots } from '../gradientSlots.ts';
import type { MicroBatchInput, MicroBatchResult, PartialStage, TrainingStage } from '../trainerMessages.ts';
import type { HostMemory } from './hostMemory.ts';
import type { StepLoops } from './stepLoops.ts';

/** The gradient tree of a trainer, as the other parts of its host use it. */
export interface TreeHost {
  /** See `GradientTree` for what they mean. */
  readonly calls: ReturnType<typeof treeCalls>;
  /** Where the gradient lies that `apply` takes, when it is not in `reduced`; it is then not kept any more. */
  takeKept(): number | undefined;
  /** Pushes a subtree that `write` puts into its slot. */
  push(what: string, write: (slot: SegmentedFloats) => void): void;
}

/** What computes and adds gradients. */
export interface TreeOptions {
  readonly gradients: GradientSlots;
  /** Where state is on a device. */
  readonly device: DeviceState | undefined;
  readonly loops: Pick<StepLoops, 'blockSumSquares'>;
  /** What else a micro batch gives, by name. */
  readonly sums: readonly string[];
  readonly stages: readonly Pick<TrainingStage, 'range'>[];
}

/** The tree's place in the slots: `slots[0 .. depth - 1]` are finished subtrees, `slots[depth]` is the leaf. */
interface Stack {
  depth: number;
  hasLeaf: boolean;
  kept: number | undefined;
}

/**
 * The gradient tree as a stack of slots; the slot above the leaf takes a gradient that is to be added to the leaf.
 */
export function openTreeHost(memory: HostMemory, options: TreeOptions): TreeHost {
  const stack: Stack = { depth: 0, hasLeaf: false, kept: undefined };
  return {
    calls: treeCalls(stack, memory, options),
    takeKept() {
      const { kept } = stack;
      stack.kept = undefined;
      return kept;
    },
    push(what, write) {
      assertInternal(!stack.hasLeaf, `${what}: a leaf was begun`);
      write(memory.slots[slotAt(memory, stack.depth)]!);
      stack.depth++;
    },
  };
}

function treeCalls(stack: Stack, memory: HostMemory, { gradients, device, loops, sums: names, stages }: TreeOptions) {
  /** Of a micro batch without samples. */
  const nothing: MicroBatchLoss = { loss: 0, sums: names.map(() => 0) };
  const { reduced, vector } = memory;
  const blocks = new Float64Array(Math.ceil(reduced.length / SUM_SQUARES_BLOCK));
  const sumSquares = (gradient: SegmentedFloats): number => {
    loops.blockSumSquares(gradient, blocks);
    return blocks.reduce((sum, block) => sum + block, 0);
  };
  const assertStack = (what: string, height: number): void => {
    const { depth, hasLeaf } = stack;
    assertInternal(!hasLeaf && depth >= height, `${what} with ${depth} subtrees on the stack and ${hasLeaf ? 'a' : 'no'} leaf begun`);
  };
  const takeInto = (name: string): void => {
    gradients.take(slotAt(memory, stack.depth - 1), vector(name), name);
    stack.depth--;
  };
  const calls = {
    async forwardBackward({ accumulate = false, ...batch }: MicroBatchInput): Promise<MicroBatchResult> {
      assertInternal(stack.hasLeaf || !accumulate, 'forwardBackward: there is no leaf to accumulate on');
      assertInternal(stack.kept === undefined, 'forwardBackward: a gradient is kept for apply');
      const started = performance.now();
      const slot = slotAt(memory, accumulate ? stack.depth + 1 : stack.depth);
      // A batch of which no image could be read, or a virtual rank's part of a last step that has fewer images than ranks, adds nothing.
      if (batch.count === 0) gradients.clear(slot);
      const { loss, sums, fallback, sendSeconds } = batch.count === 0 ? nothing : await gradients.gradient(batch, slot);
      if (accumulate) gradients.add(slotAt(memory, stack.depth), slot);
      stack.hasLeaf = true;
      return {
        loss,
        sums,
        seconds: (performance.now() - started) / 1000,
        ...(sendSeconds !== undefined && { sendSeconds }),
        ...(fallback !== undefined && { fallback }),
      };
    },
    async finishPartial({ stage, merges, partial, accumulate = false, ...batch }: PartialStage): Promise<MicroBatchResult> {
      assertInternal(stack.hasLeaf || !accumulate, 'finishPartial: there is no leaf to accumulate on');
      assertInternal(stack.kept === undefined, 'finishPartial: a gradient is kept for apply');
      assertInternal(stack.depth >= merges, `finishPartial: ${merges} merges with ${stack.depth} subtrees on the stack`);
      const started = performance.now();
      const { depth } = stack;
      const isStaged = gradients.stages > 1;
      const slot = slotAt(memory, accumulate ? depth + 1 : depth);
      let result = nothing;
      // What runs the graph whole does all of it in place of the first stage.
      if (isStaged || stage === 0) {
        const range = isStaged ? stages[stage]!.range : undefined;
        if (batch.count > 0) result = await gradients.gradient(batch, slot, isStaged ? stage : undefined);
        else if (stage === 0) gradients.clear(slot);
        if (accumulate) gradients.add(depth, slot, range);
        for (let merged = 0; merged < merges; merged++) gradients.add(depth - merged - 1, depth - merged, range);
        const name = `partial${partial}`;
        gradients.take(depth - merges, vector(name), name, range);
      }
      stack.hasLeaf = stage < stages.length - 1;
      if (!stack.hasLeaf) stack.depth = depth - merges;
      const { loss, sums, fallback } = result;
      return { loss, sums, seconds: (performance.now() - started) / 1000, ...(fallback !== undefined && { fallback }) };
    },
    pushLeaf(_: undefined): void {
      assertInternal(stack.hasLeaf, 'pushLeaf: no leaf was begun');
      stack.depth++;
      stack.hasLeaf = false;
    },
    mergeTop(_: undefined): void {
      assertStack('mergeTop', 2);
      stack.depth--;
      gradients.add(slotAt(memory, stack.depth - 1), slotAt(memory, stack.depth));
    },
    takePartial(index: number): void {
      assertStack('takePartial', 1);
      takeInto(`partial${index}`);
    },
    takeReduced(_?: undefined): { readonly sumSquares: number } {
      assertStack('takeReduced', 1);
      takeInto('reduced');
      return { sumSquares: sumSquares(reduced) };
    },
    keepReduced(_?: undefined): { readonly sumSquares: number } {
      assertStack('keepReduced', 1);
      const slot = slotAt(memory, stack.depth - 1);
      const squares = device === undefined ? sumSquares(memory.slots[slot]!) : device.sumSquares(slot);
      // float32 overflows where float64 does not, and whoever names what is not finite looks at `reduced`.
      if (!Number.isFinite(squares)) return calls.takeReduced();
      stack.kept = slot;
      stack.depth--;
      return { sumSquares: squares };
    },
    clearTree(_?: undefined): void {
      stack.depth = 0;
      stack.hasLeaf = false;
      stack.kept = undefined;
    },
  };
  return calls;
}

function slotAt({ slots }: HostMemory, index: number): number {
  assertInternal(
    index >= 0 && index < slots.length,
    `the gradient tree has ${slots.length} slots, slot ${index} was asked; raise treeDepth`,
  );
  return index;
}
