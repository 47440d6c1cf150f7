import type { BatchInput, BatchView, ErrorCode } from '@maestro/protocol';
import { bytesPerSample, elementsOf, viewOf } from '@maestro/protocol';
import type { PositionRange } from '../schedule/schedule.ts';
import type { FilledBatch } from './batchFiller.ts';

/** The memory of one place in the loader's ring, by input, shared with its threads. */
export type SlotMemory = Readonly<Record<string, SharedArrayBuffer>>;

/** Memory for so many samples. */
export function allocateSlot(inputs: readonly BatchInput[], samples: number): SlotMemory {
  return Object.fromEntries(inputs.map((input) => [input.name, new SharedArrayBuffer(samples * bytesPerSample([input]))]));
}

/** The first so many samples of a slot, by input. */
export function slotViews(inputs: readonly BatchInput[], slot: SlotMemory, samples: number): Record<string, BatchView> {
  return Object.fromEntries(inputs.map((input) => [input.name, viewOf(input, slot[input.name]!, 0, samples * elementsOf(input))]));
}

/** Asks a loader thread to fill a slot. */
export interface LoaderRequest {
  readonly slot: number;
  readonly positions: PositionRange;
}

/** A loader thread's answer: the slot is filled, or the reason why it could not be. */
export type LoaderReply =
  | (LoaderRequest & FilledBatch)
  | {
      readonly slot: number;
      readonly code: ErrorCode;
      readonly message: string;
    };
