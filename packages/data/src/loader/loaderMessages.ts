import type { BatchInput, BatchView, ErrorCode } from '@maestro/protocol';
import { bytesPerSample, elementsOf, viewOf } from '@maestro/protocol';
import type { PositionRange } from '../schedule/schedule.ts';
import type { FilledBatch } from './batchFiller.ts';

/** Memory of one slot in the loader's ring, by input name, shared with its threads. */
export type SlotMemory = Readonly<Record<string, SharedArrayBuffer>>;

/** Allocates memory for `samples` samples. */
export function allocateSlot(inputs: readonly BatchInput[], samples: number): SlotMemory {
  return Object.fromEntries(inputs.map((input) => [input.name, new SharedArrayBuffer(samples * bytesPerSample([input]))]));
}

/** Returns views of the first `samples` samples of a slot, by input name. */
export function slotViews(inputs: readonly BatchInput[], slot: SlotMemory, samples: number): Record<string, BatchView> {
  return Object.fromEntries(inputs.map((input) => [input.name, viewOf(input, slot[input.name]!, 0, samples * elementsOf(input))]));
}

/** Asks a loader thread to fill a slot. */
export interface LoaderRequest {
  readonly slot: number;
  readonly positions: PositionRange;
}

/** Reply of a loader thread: the slot is filled, or why it could not be. */
export type LoaderReply =
  | (LoaderRequest & FilledBatch)
  | {
      readonly slot: number;
      readonly code: ErrorCode;
      readonly message: string;
    };
