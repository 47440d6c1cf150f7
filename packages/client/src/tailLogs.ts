import { setTimeout as delay } from 'node:timers/promises';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { fromServiceError } from '@maestro/protocol';

/** Which lines of a job are wanted. */
export interface TailLogsOptions {
  /** Goes on with new lines until the job is over. */
  readonly follow?: boolean | undefined;
  /** Goes on behind the line that had this cursor. */
  readonly cursor?: string | undefined;
  readonly worker?: string | undefined;
  /** The least urgent level. */
  readonly level?: string | undefined;
  /** A pattern in RE2's syntax. */
  readonly search?: string | undefined;
  /** RFC 3339; from is inclusive, to exclusive. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly limit?: number | undefined;
  /** Begins with the last so many lines. */
  readonly tail?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How long a coordinator that goes away may take to come back (default 60,000). */
  readonly patienceMs?: number | undefined;
}

/** A log line: the JSON object that its process wrote, and the cursor behind it. */
export interface JobLogLine {
  readonly cursor: string;
  readonly json: string;
}

/** Between two attempts to reach a coordinator that went away. */
const RETRY_MS = 300;

/** Follows a job's log over as many calls as it takes. */
export async function* tailLogs(
  open: (request: object) => ClientReadableStream<{ lines: JobLogLine[] }>,
  id: string,
  { signal, patienceMs = 60_000, limit, ...request }: TailLogsOptions,
): AsyncGenerator<JobLogLine> {
  let { cursor, tail } = request;
  let left = limit;
  let lastSeenMs: number | undefined;
  while (signal?.aborted !== true && left !== 0) {
    const stream = open({ ...request, id, cursor, tail, limit: left ?? 0 });
    const stop = (): void => stream.cancel();
    signal?.addEventListener('abort', stop, { once: true });
    stream.on('metadata', () => {
      lastSeenMs = Date.now();
    });
    try {
      for await (const { lines } of stream as AsyncIterable<{ lines: JobLogLine[] }>) {
        lastSeenMs = Date.now();
        for (const line of lines) {
          yield line;
          cursor = line.cursor;
          tail = undefined;
          if (left !== undefined) left--;
        }
      }
      return;
    } catch (error) {
      const failure = fromServiceError(error, 'logs');
      if (failure.code === 'cancelled') return;
      const isAway = failure.code === 'unavailable' && lastSeenMs !== undefined && Date.now() - lastSeenMs < patienceMs;
      if (!isAway) throw failure;
    } finally {
      signal?.removeEventListener('abort', stop);
      stream.cancel();
    }
    await delay(RETRY_MS);
  }
}
