import { type Agent, request } from 'node:http';
import type { RestRequest } from './restRequests.ts';

/** What came back, or how the connection broke. */
export interface RestAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** It was still coming when enough was read. */
  readonly isCut: boolean;
  /** The connection broke, or nothing came in time. */
  readonly failure?: string;
}

/** A response that goes on is read for so long, and so far. */
const STREAM_MS = 300;
const MOST_BYTES = 4 << 20;
const TIMEOUT_MS = 30_000;

/**
 * Sends a request with the path as it stands: no client normalises it away.
 * @returns with `failure` where no answer came; it does not throw
 */
export function sendRequest(
  { host, port }: { readonly host: string; readonly port: number },
  agent: Agent,
  { method, path, headers, body }: RestRequest,
): Promise<RestAnswer> {
  return new Promise((resolve) => {
    const failed = (failure: string): void => resolve({ status: 0, contentType: '', body: '', isCut: false, failure });
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const call = request({ host, port, method, path, headers: { ...headers, ...length }, agent, timeout: TIMEOUT_MS }, (response) => {
      let text = '';
      const { statusCode: status = 0 } = response;
      const contentType = response.headers['content-type'] ?? '';
      const done = (isCut: boolean): void => {
        clearTimeout(timer);
        resolve({ status, contentType, body: text, isCut });
        if (isCut) call.destroy();
      };
      const isEndless = /event-stream|ndjson/.test(contentType);
      const timer = setTimeout(() => done(true), isEndless ? STREAM_MS : TIMEOUT_MS);
      response.setEncoding('latin1');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > MOST_BYTES) done(true);
      });
      response.on('end', () => done(false));
      response.on('error', (error) => failed(error.message));
    });
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', (error) => failed(error.message));
    if (body !== undefined) call.write(body);
    call.end();
  });
}
