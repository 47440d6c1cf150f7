import { setTimeout as delay } from 'node:timers/promises';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { fromServiceError, MaestroError } from '@maestro/protocol';

/** Interval between attempts to reach a coordinator that went away. */
const RETRY_MS = 300;

/** Options of {@link outliveCoordinator}. */
export interface OutliveOptions<Message, Value> {
  /** Opens the stream from where the last one ended; undefined when nothing more is wanted. */
  readonly open: () => ClientReadableStream<Message> | undefined;
  /** Extracts the values of a message. */
  readonly values: (message: Message) => Iterable<Value>;
  /** Name of the call, for errors. */
  readonly name: string;
  /** Time for which a coordinator that has answered once may be unreachable. */
  readonly patienceMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Yields the values of a stream over as many calls as needed: retries while the coordinator is away. Ends with the stream, or when the
 * signal aborts. @throws MaestroError as the call does; `unavailable` when no coordinator has answered yet, or none answers for too long.
 */
export async function* outliveCoordinator<Message, Value>(options: OutliveOptions<Message, Value>): AsyncGenerator<Value> {
  const { open, values, name, patienceMs, signal } = options;
  let lastSeenMs: number | undefined;
  while (signal?.aborted !== true) {
    const stream = open();
    if (stream === undefined) return;
    const stop = (): void => stream.cancel();
    signal?.addEventListener('abort', stop, { once: true });
    stream.on('metadata', () => {
      lastSeenMs = Date.now();
    });
    try {
      for await (const message of stream as AsyncIterable<Message>) {
        lastSeenMs = Date.now();
        yield* values(message);
      }
      return;
    } catch (error) {
      const failure = error instanceof MaestroError ? error : fromServiceError(error, name);
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
