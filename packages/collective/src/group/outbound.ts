import { Metadata, type ServerWritableStream } from '@grpc/grpc-js';
import { errorMessage, type MaestroError, toServiceError } from '@maestro/protocol';
import type { ChunkFrame, ChunkViews } from '../wire/codec.ts';
import type { PullRequest } from '../wire/service.ts';

/** The sending end of a peer's pull: accepted or refused once, then written to. */
export interface Outbound {
  readonly request: PullRequest;
  readonly accept: () => void;
  readonly refuse: (error: MaestroError) => void;
  /** Writes a message to the stream. Calls `sent` when its memory is free again and there is room for the next. One at a time. */
  readonly send: (frame: ChunkViews, sent: () => void) => void;
  /** Ends the stream with status OK, after everything already sent. */
  readonly end: () => void;
  /** Calls `listener` when the stream ends in any other way, possibly more than once. */
  readonly onClosed: (listener: (reason: string) => void) => void;
}

/** Wraps a pull served by grpc-js: from any gRPC client, or over TLS. */
export function grpcOutbound(call: ServerWritableStream<PullRequest, ChunkFrame>): Outbound {
  return {
    request: call.request,
    accept: () => call.sendMetadata(new Metadata()),
    refuse: (error) => void call.emit('error', toServiceError(error)),
    send: (frame, sent) => void call.write(frame, sent),
    end: () => call.end(),
    onClosed: (listener) => {
      call.once('cancelled', () => listener('it closed the stream'));
      call.on('error', (error) => listener(errorMessage(error)));
    },
  };
}
