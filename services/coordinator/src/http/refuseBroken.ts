import type { Socket } from 'node:net';
import { MaestroError, PROBLEM_TYPE, problemOf } from '@maestro/protocol';

/** Answers a malformed request, which the HTTP parser refuses and which reaches no route, with a problem, and closes the connection. */
export function refuseBroken({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || code === 'ECONNRESET') return void socket.destroy();
  const { status, reason, error } = refusalOf(code);
  const body = JSON.stringify({ ...problemOf(error), status });
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function refusalOf(code: string | undefined): { readonly status: number; readonly reason: string; readonly error: MaestroError } {
  if (code === 'HPE_HEADER_OVERFLOW')
    return {
      status: 431,
      reason: 'Request Header Fields Too Large',
      error: new MaestroError('too-large', 'the URL and headers of the request are too long'),
    };
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return {
      status: 408,
      reason: 'Request Timeout',
      error: new MaestroError('timeout', 'the request was not received completely in time'),
    };
  return { status: 400, reason: 'Bad Request', error: new MaestroError('invalid-argument', 'this is not a valid HTTP request') };
}
