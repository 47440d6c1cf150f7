import type { ErrorCode } from '@maestro/protocol';
import type { ChunkViews } from '../wire/codec.ts';

/** Why a collective ends before its time, as one member tells the others. */
export interface AbortNotice {
  readonly code: ErrorCode;
  readonly message: string;
  /** The member that was lost; absent when none was. */
  readonly lost?: string;
}

/** The two streams between this member and one peer. The transport opens it; the group uses and closes it. */
export interface Link {
  /**
   * Puts a message on the stream to the peer. `sent` is called when its bytes have been read and there is room for the next. One at a time.
   */
  readonly send: (frame: ChunkViews, sent: () => void) => void;
  /** Delivers the message that was not taken, and what comes after it. */
  readonly resume: () => void;
  /** Tells the peer that the collective is over, within a bounded time; never rejects. */
  readonly abort: (notice: AbortNotice) => Promise<void>;
  /** Ends both streams. */
  readonly close: () => void;
}

/** What a link reports to the group. */
export interface LinkEvents {
  /**
   * A message from member `peer` (index in the view); `bytes` are valid until this returns. False when there is no room for it: the
   * link then keeps it, and delivers nothing more until `resume`, so that the flow-control window holds the peer back.
   */
  readonly message: (peer: number, bytes: Uint8Array) => boolean;
  /** No more messages come from member `peer`; `isLeaving` when it ended the stream itself. */
  readonly inboundClosed: (peer: number, reason: string, isLeaving: boolean) => void;
  /** No more messages reach member `peer`. */
  readonly outboundClosed: (peer: number, reason: string) => void;
  /** Member `peer` aborted. */
  readonly aborted: (peer: number, notice: AbortNotice) => void;
}
