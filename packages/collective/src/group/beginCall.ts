import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { Metadata } from '@grpc/grpc-js';
import { errorMessage, fromServiceError, isMaestroError, MaestroError } from '@maestro/protocol';

/** Callbacks of {@link beginCall}. */
export interface CallEvents {
  /** The server has accepted the call. */
  readonly accepted: () => void;
  /** Called once; without an error when the server ended the call with status OK. */
  readonly ended: (error: MaestroError | undefined) => void;
}

/**
 * Begins a gRPC call with one request message on an HTTP/2 session (gRPC over HTTP/2, github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md). The
 * caller reads the response bytes from the returned stream. Throws when the session is closed.
 */
export function beginCall(session: ClientHttp2Session, path: string, request: Buffer, { accepted, ended }: CallEvents): ClientHttp2Stream {
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' });
  let failure: unknown;
  let status: MaestroError | 'ok' | undefined;
  const settle = (headers: Record<string, unknown>) => {
    const code = Number(headers['grpc-status']);
    if (code === 0) {
      status = 'ok';
      return;
    }
    const details = decodeMessage(String(headers['grpc-message'] ?? `status ${code}`));
    const metadata = Metadata.fromHttp2Headers(headers as Record<string, string>);
    status = fromServiceError({ code, details, metadata }, path);
  };
  stream.once('response', (headers) => {
    if (headers['grpc-status'] !== undefined) settle(headers);
    else if (headers[':status'] === 200) accepted();
    else failure = new Error(`HTTP status ${headers[':status']}`);
  });
  stream.once('trailers', settle);
  stream.once('error', (error) => {
    failure ??= error;
  });
  stream.once('close', () => {
    if (status === 'ok') ended(undefined);
    else if (status !== undefined) ended(status);
    else if (isMaestroError(failure)) ended(failure);
    else
      ended(new MaestroError('unavailable', failure === undefined ? 'the connection was lost' : errorMessage(failure), { cause: failure }));
  });
  const frame = Buffer.alloc(5 + request.length);
  frame.writeUInt32BE(request.length, 1);
  frame.set(request, 5);
  stream.end(frame);
  return stream;
}

/** Decodes a percent-encoded `grpc-message`. Returns a malformed one unchanged, as gRPC requires: a message must not hide the status. */
function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
