import type { ErrorCode } from '@maestro/protocol';
import type { PositionRange } from '../schedule/schedule.ts';
import type { FilledBatch } from './batchFiller.ts';

/** The memory of one place in the loader's ring, shared with its threads. */
export interface SlotMemory {
  readonly images: SharedArrayBuffer;
  readonly idsShuffle: SharedArrayBuffer;
}

/** Asks a loader thread to fill a slot. */
export interface LoaderRequest {
  readonly slot: number;
  readonly positions: PositionRange;
}

/** A loader thread's answer: the slot is filled, or why it could not be. */
export type LoaderReply =
  | (LoaderRequest & FilledBatch)
  | {
      readonly slot: number;
      readonly code: ErrorCode;
      readonly message: string;
    };
