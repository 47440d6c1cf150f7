import { performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { errorMessage, MaestroError, toServiceError } from '@maestro/protocol';
import { type OutboundTap, openOutboundTap } from '../taps/outboundTap.ts';
import {
  CLIENT_PREFACE,
  FIRST_STREAM,
  FRAME_HEADER_BYTES,
  FRAME_TYPES,
  readFrameHeader,
  readSettings,
  SETTINGS,
} from '../wire/http2Frame.ts';
import { type AbortRequest, COLLECTIVE_SERVICE, MOST_FRAME_BYTES } from '../wire/service.ts';
import type { Outbound } from './outbound.ts';

/**
 * SETTINGS identifier by which a client announces that it is a member: it pulls on its first stream and accepts whole messages as frames,
 * so that its windows, including the connection's, hold at least one. Other peers ignore the setting, as they must (RFC 9113, section
 * 6.5.2).
 */
export const MEMBER_SETTING = 0x6d61;
/** Limits the bytes of a first SETTINGS frame, and of a request. */
const MOST_FIRST_BYTES = 1 << 10;
const MOST_REQUEST_BYTES = 1 << 16;

/** Handlers for the calls of members. */
export interface MemberService {
  readonly pull: (outbound: Outbound) => void;
  readonly abort: (request: AbortRequest) => void;
  /** Called with a member's connection, so that it can be closed with the server. */
  readonly connected: (session: ServerHttp2Session) => void;
}

/**
 * Routes a new connection by its first frame: members are served here, by node:http2 and a tap; all others are passed to `others`, with the
 * bytes already read put back. The stream of chunks is plain gRPC in both cases.
 */
export function sortConnection(socket: Socket, service: MemberService, others: (socket: Socket) => void): void {
  let first = Buffer.alloc(0);
  // Ignores socket errors until a server owns the socket.
  const ignore = () => {};
  const sort = (bytes: Buffer): void => {
    first = Buffer.concat([first, bytes]);
    const settings = firstSettings(first);
    if (settings === 'more') return;
    socket.off('data', sort);
    socket.off('error', ignore);
    const window = settings?.get(SETTINGS.initialWindowSize) ?? 0;
    const takesMessages = window >= MOST_FRAME_BYTES && (settings?.get(SETTINGS.maxFrameSize) ?? 0) >= MOST_FRAME_BYTES;
    if (settings?.has(MEMBER_SETTING) && takesMessages) {
      socket.setNoDelay(true);
      serve(openOutboundTap(socket, first, window), service);
    } else {
      socket.pause();
      socket.unshift(first);
      others(socket);
    }
  };
  socket.on('data', sort);
  socket.on('error', ignore);
}

/** Returns the client's first settings when it speaks HTTP/2; `more` when they have not arrived yet. */
function firstSettings(bytes: Buffer): ReadonlyMap<number, number> | 'more' | undefined {
  const begin = CLIENT_PREFACE.length;
  if (!bytes.subarray(0, begin).equals(CLIENT_PREFACE.subarray(0, bytes.length))) return undefined;
  if (bytes.length < begin + FRAME_HEADER_BYTES) return 'more';
  const { length, type } = readFrameHeader(bytes, begin);
  if (type !== FRAME_TYPES.settings || length > MOST_FIRST_BYTES) return undefined;
  const payload = begin + FRAME_HEADER_BYTES;
  return bytes.length < payload + length ? 'more' : readSettings(bytes.subarray(payload, payload + length));
}

function serve(tap: OutboundTap, { pull, abort, connected }: MemberService): void {
  const session = performServerHandshake(tap.channel);
  connected(session);
  // Streams report the error; without a listener it would end the process.
  session.on('error', () => {});
  session.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    readRequest(stream, (bytes) => {
      const isFirst = stream.id === FIRST_STREAM;
      if (headers[':path'] === COLLECTIVE_SERVICE.Pull.path && isFirst) pull(openOutbound(stream, tap, bytes));
      else if (headers[':path'] === COLLECTIVE_SERVICE.Abort.path) {
        abort(COLLECTIVE_SERVICE.Abort.requestDeserialize(bytes));
        respond(stream);
        stream.end(Buffer.alloc(5));
      } else refuse(stream, new MaestroError('not-found', `stream ${stream.id} of a member's connection is not for ${headers[':path']}`));
    });
  });
}

/** Passes the bytes of a request's single message to `take`. */
function readRequest(stream: ServerHttp2Stream, take: (bytes: Buffer) => void): void {
  const parts: Buffer[] = [];
  let size = 0;
  stream.on('data', (bytes: Buffer) => {
    size += bytes.length;
    if (size > MOST_REQUEST_BYTES) stream.close();
    else if (!stream.closed) parts.push(bytes);
  });
  stream.once('end', () => {
    try {
      if (size >= 5 && !isGone(stream)) take(Buffer.concat(parts).subarray(5));
    } catch (error) {
      refuse(stream, new MaestroError('protocol-violation', `not a request: ${errorMessage(error)}`, { cause: error }));
    }
  });
}

/** True when nothing can be sent on a stream any more: node:http2 throws on an attempt. A peer may end it at any time. */
function isGone(stream: ServerHttp2Stream): boolean {
  return stream.destroyed || stream.closed;
}

/** Begins a response; status OK follows as a trailer. */
function respond(stream: ServerHttp2Stream): void {
  if (isGone(stream) || stream.headersSent) return;
  stream.once('wantTrailers', () => isGone(stream) || stream.sendTrailers({ 'grpc-status': '0' }));
  stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
}

function refuse(stream: ServerHttp2Stream, error: MaestroError): void {
  if (isGone(stream) || stream.headersSent) return;
  const { code, details, metadata } = toServiceError(error);
  // An unpaired surrogate, which a hostile name may contain, cannot be encoded.
  const status = { 'grpc-status': String(code), 'grpc-message': encodeURI(Buffer.from(details ?? '').toString()) };
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc+proto', ...metadata?.toHttp2Headers(), ...status },
    { endStream: true },
  );
}

function openOutbound(stream: ServerHttp2Stream, tap: OutboundTap, bytes: Buffer): Outbound {
  let isSending = false;
  let isEnding = false;
  let isOver = false;
  const finish = () => {
    isOver = true;
    respond(stream);
    stream.end();
  };
  return {
    request: COLLECTIVE_SERVICE.Pull.requestDeserialize(bytes) as unknown as Outbound['request'],
    accept: () => respond(stream),
    refuse: (error) => refuse(stream, error),
    send: (frame, sent) => {
      isSending = true;
      tap.send(frame, () => {
        isSending = false;
        if (isEnding) finish();
        sent();
      });
    },
    end: () => {
      isEnding = true;
      if (!isSending) finish();
    },
    onClosed: (listener) => {
      stream.once('error', (error) => listener(errorMessage(error)));
      stream.once('close', () => isOver || listener('it closed the stream'));
    },
  };
}
