import type { ErrorCode } from '@maestro/protocol';
import type { ChunkViews } from '../wire/codec.ts';

/** Reason why a member ended a collective early, as sent to the others. */
export interface AbortNotice {
  readonly code: ErrorCode;
  readonly message: string;
  /** Id of the lost member; absent when none was lost. */
  readonly lost?: string;
}

/** The two streams between this member and one peer. The transport opens it; the group uses and closes it. */
export interface Link {
  /** Writes a message to the peer's stream. Calls `sent` when its bytes have been read and there is room for the next. One at a time. */
  readonly send: (frame: ChunkViews, sent: () => void) => void;
  /** Redelivers the message that was not accepted, and what follows it. */
  readonly resume: () => void;
  /** Tells the peer that the collective has ended, within a bounded time; never rejects. */
  readonly abort: (notice: AbortNotice) => Promise<void>;
  /** Ends both streams. */
  readonly close: () => void;
}

/** Callbacks by which a link reports to the group. */
export interface LinkEvents {
  /**
   * Delivers a message from member `peer` (index in the view); `bytes` are valid until this returns. Returns false when there is no room
   * for it: the link then keeps it and delivers nothing more until `resume`, so that the flow-control window holds the peer back.
   */
  readonly message: (peer: number, bytes: Uint8Array) => boolean;
  /** Member `peer` sends no more messages; `isLeaving` when it ended the stream itself. */
  readonly inboundClosed: (peer: number, reason: string, isLeaving: boolean) => void;
  /** Member `peer` receives no more messages. */
  readonly outboundClosed: (peer: number, reason: string) => void;
  /** Member `peer` aborted. */
  readonly aborted: (peer: number, notice: AbortNotice) => void;
}
