import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { MaestroError } from '@maestro/protocol';
import type { ChunkViews } from '../wire/codec.ts';
import { openControlChannel } from '../wire/controlChannel.ts';
import {
  CLIENT_PREFACE,
  DEFAULT_WINDOW_BYTES,
  FIRST_STREAM,
  FRAME_HEADER_BYTES,
  FRAME_TYPES,
  readFrameHeader,
  writeFrameHeader,
} from '../wire/http2Frame.ts';

/** Bytes of gRPC's prefix in front of a message: a flag and the length. */
const PREFIX_BYTES = 5;
/** The largest frame accepted by a server that has announced no other size (RFC 9113, section 6.5.2). */
const MOST_FRAME_BYTES = 1 << 14;
/** Payload size of a WINDOW_UPDATE frame, and the largest window (RFC 9113, section 6.9). */
const WINDOW_UPDATE_BYTES = 4;
const MOST_WINDOW_BYTES = 0x7fffffff;

/** A connection that writes its first stream's DATA frames past node:http2; see {@link openOutboundTap}. */
export interface OutboundTap {
  /** The stream that node:http2 uses as the connection. */
  readonly channel: Duplex;
  /** Writes a gRPC message as one DATA frame when the peer's window has room for it; then calls `sent`. One at a time. */
  readonly send: (frame: ChunkViews, sent: () => void) => void;
}

/**
 * Takes over a connection from which `first` was already read: the client's preface and more. Messages are written to the socket from their
 * own memory, without a copy in this process. `windowBytes` is the stream window that the client announced.
 */
export function openOutboundTap(socket: Socket, first: Buffer, windowBytes: number): OutboundTap {
  const windows = { connection: DEFAULT_WINDOW_BYTES, stream: windowBytes };
  let isAnswered = false;
  let queued: { readonly frame: ChunkViews; readonly sent: () => void } | undefined;
  let rest: Buffer = Buffer.alloc(0);

  const flush = (): void => {
    if (queued === undefined || !isAnswered || socket.destroyed) return;
    const { frame, sent } = queued;
    const length = PREFIX_BYTES + frame.length;
    if (length > windows.connection || length > windows.stream) return;
    queued = undefined;
    windows.connection -= length;
    windows.stream -= length;
    const head = Buffer.allocUnsafe(FRAME_HEADER_BYTES + PREFIX_BYTES + frame.head.length);
    let at = writeFrameHeader(head, 0, { length, type: FRAME_TYPES.data, flags: 0, stream: FIRST_STREAM });
    head[at++] = 0;
    at = head.writeUInt32BE(frame.length, at);
    head.set(frame.head, at);
    socket.cork();
    socket.write(head);
    socket.write(frame.payload, (error) => error ?? sent());
    socket.uncork();
  };

  // The peer must see the headers of the response before its data.
  const channel = openControlChannel(socket, (frames) => {
    for (let at = 0; !isAnswered && at + FRAME_HEADER_BYTES <= frames.length; ) {
      const { length, type, stream } = readFrameHeader(frames, at);
      isAnswered = type === FRAME_TYPES.headers && stream === FIRST_STREAM;
      at += FRAME_HEADER_BYTES + length;
    }
    flush();
  });

  /** node:http2 must not see window updates for bytes that it does not send: its count would exceed the allowed maximum. */
  const take = (bytes: Buffer): void => {
    if (channel.destroyed) return;
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let at = 0;
    while (rest.length - at >= FRAME_HEADER_BYTES) {
      const { length, type, stream } = readFrameHeader(rest, at);
      const isWrong = length > MOST_FRAME_BYTES || (type === FRAME_TYPES.windowUpdate && length !== WINDOW_UPDATE_BYTES);
      if (isWrong) return void channel.destroy(new MaestroError('protocol-violation', `a frame of type ${type} with ${length} bytes`));
      const next = at + FRAME_HEADER_BYTES + length;
      if (rest.length < next) break;
      const isOurs = type === FRAME_TYPES.windowUpdate && (stream === 0 || stream === FIRST_STREAM);
      if (isOurs) windows[stream === 0 ? 'connection' : 'stream'] += rest.readUInt32BE(at + FRAME_HEADER_BYTES) & MOST_WINDOW_BYTES;
      else channel.push(rest.subarray(at, next));
      at = next;
    }
    rest = rest.subarray(at);
    flush();
  };

  channel.push(first.subarray(0, CLIENT_PREFACE.length));
  take(first.subarray(CLIENT_PREFACE.length));
  socket.on('data', take);
  return {
    channel,
    send: (frame, sent) => {
      queued = { frame, sent };
      flush();
    },
  };
}
