import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';

/** An answer may take so long, with its body: 8 MiB at half a megabit a second. */
const TIMEOUT_MS = 120_000;
/** Tries of a request before its failure is told: the pauses between them, doubling, come to two seconds or so. */
const TRIES = 5;
const FIRST_PAUSE_MS = 100;

/** One request, which may be sent more than once. */
export interface Request<T> {
  /** For messages: "PUT s3://bucket/name". */
  readonly what: string;
  readonly send: (signal: AbortSignal) => Promise<Response>;
  /** Takes the answer with its body, or refuses it with a MaestroError; any other error is a broken connection. */
  readonly read: (response: Response) => Promise<T>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks until there is an answer: no connection, a broken one, no answer in time, 429 and 5xx are tried again.
 * @throws MaestroError `storage` when there is no answer to be had, what `read` throws; the signal's reason.
 */
export async function request<T>({ what, send, read, signal }: Request<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    signal?.throwIfAborted();
    try {
      const timeout = AbortSignal.timeout(TIMEOUT_MS);
      const response = await send(signal === undefined ? timeout : AbortSignal.any([signal, timeout]));
      if (tried === TRIES || (response.status < 500 && response.status !== 429)) return await read(response);
      await response.body?.cancel();
    } catch (error) {
      if (isMaestroError(error)) throw error;
      signal?.throwIfAborted();
      if (tried === TRIES) {
        // The message of `fetch` is always the same; the reason is below.
        const reason = errorMessage((error as { cause?: unknown }).cause ?? error) || 'connection refused';
        throw new MaestroError('storage', `${what}: no answer (${reason}); is the server up, and its address right?`, { cause: error });
      }
    }
    await delay(FIRST_PAUSE_MS * 2 ** (tried - 1) * (0.5 + Math.random()), undefined, signal && { signal });
  }
}

/** The body of an answer that must have exactly `length` bytes. */
export async function bodyBytes(response: Response, length: number, url: string): Promise<Uint8Array> {
  const bytes = await bodyWithin(response, length, url);
  if (bytes.length !== length) throw new MaestroError('storage', `${url}: the answer has ${bytes.length} bytes, expected ${length}`);
  return bytes;
}

/** The body of an answer, which must not be longer than `limitBytes`; no more than that is taken. */
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
