import { copyFloats, copyRange, type FloatRange, type SegmentedFloats, sliceParts } from '@maestro/kernels';
import type { GradientRun } from '../gradients/gradientRun.ts';
import type { StepLoops } from './host/stepLoops.ts';

/** The memory of the gradient tree, by the number of a slot, on the host or on a device. */
export interface GradientSlots extends Pick<GradientRun, 'gradient' | 'stages' | 'close'> {
  /** Adds the gradient in `from`, or a range of it, to that in `into`. */
  add(into: number, from: number, range?: FloatRange): void;
  clear(slot: number): void;
  /** Copies a gradient, or a range of it, to `target`, a vector of the host that is always the same under one `name`. */
  take(slot: number, target: SegmentedFloats, name: string, range?: FloatRange): void;
}

/** Slots in memory of this process, where `run` writes gradients. */
export function hostSlots(run: GradientRun, slots: readonly SegmentedFloats[], loops: Pick<StepLoops, 'add'>): GradientSlots {
  return {
    stages: run.stages,
    gradient: (batch, slot, stage) => run.gradient(batch, slot, stage),
    add: (into, from, range) => loops.add(of(slots[into]!, range), of(slots[from]!, range)),
    clear(slot) {
      for (const { floats } of slots[slot]!.parts) floats.fill(0);
    },
    take(slot, target, _, range) {
      if (range === undefined) copyFloats(target, slots[slot]!);
      else copyRange(target, slots[slot]!, range);
    },
    close: () => run.close(),
  };
}

function of(vector: SegmentedFloats, range: FloatRange | undefined): SegmentedFloats {
  return range === undefined ? vector : { length: range.length, parts: sliceParts(vector, range.first, range.length) };
}
