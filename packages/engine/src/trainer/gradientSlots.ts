import { copyFloats, type SegmentedFloats } from '@maestro/kernels';
import type { GradientRun } from '../gradients/gradientRun.ts';
import type { StepLoops } from './host/stepLoops.ts';

/** The memory of the gradient tree, by the number of a slot, on the host or on a device. */
export interface GradientSlots extends Pick<GradientRun, 'gradient' | 'close'> {
  /** Adds the gradient in `from` to that in `into`. */
  add(into: number, from: number): void;
  clear(slot: number): void;
  /** Copies a gradient to `target`, a vector of the host that is always the same under one `name`. */
  take(slot: number, target: SegmentedFloats, name: string): void;
}

/** Slots in memory of this process, where `run` writes gradients. */
export function hostSlots(run: GradientRun, slots: readonly SegmentedFloats[], loops: Pick<StepLoops, 'add'>): GradientSlots {
  return {
    gradient: (batch, slot) => run.gradient(batch, slot),
    add: (into, from) => loops.add(slots[into]!, slots[from]!),
    clear(slot) {
      for (const { floats } of slots[slot]!.parts) floats.fill(0);
    },
    take: (slot, target) => copyFloats(target, slots[slot]!),
    close: () => run.close(),
  };
}
