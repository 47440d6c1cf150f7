import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { Metadata } from '@grpc/grpc-js';
import { errorMessage, fromServiceError, isMaestroError, MaestroError } from '@maestro/protocol';

/** What a call reports. */
export interface CallEvents {
  /** The server has taken the call on. */
  readonly accepted: () => void;
  /** Once; without an error when the server ended the call with status OK. */
  readonly ended: (error: MaestroError | undefined) => void;
}

/**
 * Begins a gRPC call with one request message on an HTTP/2 session (gRPC over HTTP/2, github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md).
 * The caller reads the bytes of the stream that it returns. Throws when the session is closed.
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

/** A `grpc-message`, which is percent-encoded; one that is not is taken as it is (as gRPC asks: a message must not hide the status). */
function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
