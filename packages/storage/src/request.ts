import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';

/** Deadline of an answer with its body: 8 MiB at half a megabit per second. */
const TIMEOUT_MS = 120_000;
/** Deadline of the head of an answer to a request without a body. */
const HEAD_TIMEOUT_MS = 30_000;
/** Tries for a server that accepts a request and does not answer in time: one retry. An absent server refuses instead, and comes back. */
const SILENT_TRIES = 2;
/** Tries of a request before its failure is reported: the pauses between them, doubling, add up to about two seconds. */
const TRIES = 5;
const FIRST_PAUSE_MS = 100;

/** One request, which may be sent more than once. */
export interface Request<T> {
  /** For messages: "PUT s3://bucket/name". */
  readonly what: string;
  readonly send: (signal: AbortSignal) => Promise<Response>;
  /** Reads the answer with its body, or rejects it with a MaestroError; any other error is a broken connection. */
  readonly read: (response: Response) => Promise<T>;
  readonly signal?: AbortSignal | undefined;
  /** True for a large body, after which the answer may begin late. */
  readonly isUpload?: boolean;
  /** Deadline of an answer; for tests. Default 30 s until it begins, 120 s in total and for uploads. */
  readonly timeoutMs?: number;
}

/**
 * Sends a request until it is answered: retries on no connection, a broken one, no answer in time, 429 and 5xx.
 * @throws MaestroError `storage` when no answer is obtained, whatever `read` throws; the signal's reason.
 */
export async function request<T>({ what, send, read, signal, isUpload = false, timeoutMs }: Request<T>): Promise<T> {
  const headMs = timeoutMs ?? (isUpload ? TIMEOUT_MS : HEAD_TIMEOUT_MS);
  let silent = 0;
  for (let tried = 1; ; tried++) {
    signal?.throwIfAborted();
    const head = new AbortController();
    const isLate = setTimeout(() => head.abort(new DOMException(`nothing for ${headMs / 1000} s`, 'TimeoutError')), headMs);
    try {
      const ends = [head.signal, AbortSignal.timeout(TIMEOUT_MS), ...(signal === undefined ? [] : [signal])];
      const response = await send(AbortSignal.any(ends)).finally(() => clearTimeout(isLate));
      if (tried === TRIES || (response.status < 500 && response.status !== 429)) return await read(response);
      await response.body?.cancel();
    } catch (error) {
      if (isMaestroError(error)) throw error;
      signal?.throwIfAborted();
      if ((error as Error).name === 'TimeoutError') silent++;
      if (tried === TRIES || silent === SILENT_TRIES) {
        // The message of `fetch` is always the same; the reason is in its cause.
        const reason = errorMessage((error as { cause?: unknown }).cause ?? error) || 'connection refused';
        throw new MaestroError('storage', `${what}: no answer (${reason}); check that the server is up and its address is correct`, {
          cause: error,
        });
      }
    }
    await delay(FIRST_PAUSE_MS * 2 ** (tried - 1) * (0.5 + Math.random()), undefined, signal && { signal });
  }
}

/** Reads the body of an answer that must have exactly `length` bytes. */
export async function bodyBytes(response: Response, length: number, url: string): Promise<Uint8Array> {
  const bytes = await bodyWithin(response, length, url);
  if (bytes.length !== length) throw new MaestroError('storage', `${url}: the answer has ${bytes.length} bytes, expected ${length}`);
  return bytes;
}

/** Reads the body of an answer, at most `limitBytes`; reading stops beyond that. */
export async function bodyWithin(response: Response, limitBytes: number, url: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    parts.push(part);
    length += part.length;
    if (length > limitBytes) throw new MaestroError('too-large', `${url}: the answer has more than ${limitBytes} bytes`);
  }
  return parts.length === 1 ? parts[0]! : new Uint8Array(Buffer.concat(parts));
}
