import { setTimeout as delay } from 'node:timers/promises';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { fromServiceError, MaestroError } from '@maestro/protocol';

/** Between two attempts to reach a coordinator that went away. */
const RETRY_MS = 300;

/** How a stream is kept up. */
export interface OutliveOptions<Message, Value> {
  /** Opens the stream, from where the last one ended; undefined when nothing more is wanted. */
  readonly open: () => ClientReadableStream<Message> | undefined;
  /** What a message holds. */
  readonly values: (message: Message) => Iterable<Value>;
  /** Names the call in errors. */
  readonly name: string;
  /** How long a coordinator that has answered once may be away. */
  readonly patienceMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * The values of a stream over as many calls as it takes: a coordinator that went away is asked again. Ends with the stream, or when the
 * signal aborts. @throws MaestroError as the call does; `unavailable` when no coordinator has answered, or none does for too long.
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
