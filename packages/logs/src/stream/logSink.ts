import { randomUUID } from 'node:crypto';
import { isMaestroError } from '@maestro/protocol';
import { requireRedisUrl } from '@maestro/redis';
import { Redis, type RedisOptions } from 'ioredis';
import { createLineBuffer } from './lineBuffer.ts';
import { appendBatch, type LogBatch } from './logStream.ts';

/** Sends a process's lines to Redis. */
export interface LogSink {
  /** Adds a line with its newline; costs next to nothing, and never blocks or throws. */
  push(line: string): void;
  /**
   * Resolves when every line so far is in Redis, or when that is not to be expected soon: Redis is unreachable, or `timeoutMs` (default
   * 1000) has passed.
   */
  flush(timeoutMs?: number): Promise<void>;
  /** Total lines dropped, because Redis was unreachable or too slow. */
  readonly dropped: number;
  close(): Promise<void>;
}

/** Options of {@link openLogSink}. */
export interface LogSinkOptions {
  readonly redisUrl: string;
  /** The process's name; the sink makes it unique. */
  readonly name: string;
  /** Time a line waits for others to be sent with it (default 20). */
  readonly delayMs?: number;
  /** Limits the characters of waiting lines (default 8 Mi); lines beyond it are dropped and counted. */
  readonly bufferCharacters?: number;
  /** Limits the characters of a batch (default 256 Ki). */
  readonly batchCharacters?: number;
}

/** Redis syncs its file each second, so after a crash it may have lost what it accepted within this time before. */
const FORGOTTEN_MS = 3000;
const KEPT_CHARACTERS = 4 * 1024 * 1024;
const CALL_TIMEOUT_MS = 2000;
const RETRY_MS = 200;

/**
 * Opens a sink. One batch is in flight at a time, so lines arrive in order; a batch with an unknown outcome is sent again, and so are,
 * after an outage, those that Redis may have lost. Readers detect duplicates by the sequence number.
 */
export function openLogSink({
  redisUrl,
  name,
  delayMs = 20,
  bufferCharacters = 8 * 1024 * 1024,
  batchCharacters = 256 * 1024,
}: LogSinkOptions): LogSink {
  const source = `${name}:${randomUUID()}`;
  const buffer = createLineBuffer(bufferCharacters);
  // No command queue for an unreachable Redis: the buffer is the queue, and is bounded.
  const client = openClient(redisUrl, {
    maxRetriesPerRequest: null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    commandTimeout: CALL_TIMEOUT_MS,
    connectTimeout: CALL_TIMEOUT_MS,
    retryStrategy: (attempt) => Math.min(50 * attempt, 1000),
  });
  let sequence = 0;
  let kept: { readonly batch: LogBatch; readonly sentMs: number }[] = [];
  let unsent: LogBatch[] = [];
  let isPumping = false;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  let waiters: (() => void)[] = [];
  client.on('error', () => undefined); // Its own lines would go to the unreachable Redis; 'ready' signals its return.
  client.on('ready', () => {
    const recentMs = Date.now() - FORGOTTEN_MS;
    // Batches sent recently that may be lost go first, in order.
    unsent = [...kept.filter(({ sentMs }) => sentMs >= recentMs).map(({ batch }) => batch), ...unsent];
    kept = [];
    void pump();
  });

  const keep = (batch: LogBatch): void => {
    kept.push({ batch, sentMs: Date.now() });
    let characters = kept.reduce((sum, { batch: { body } }) => sum + body.length, 0);
    while (kept.length > 0 && (kept[0]!.sentMs < Date.now() - FORGOTTEN_MS || characters > KEPT_CHARACTERS)) {
      characters -= kept.shift()!.batch.body.length;
    }
  };
  const nextBatch = (): LogBatch => {
    const lines = buffer.take(batchCharacters);
    const batch = { source, sequence, body: lines.join('').slice(0, -1) };
    sequence += lines.length;
    return batch;
  };
  const pump = async (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    if (isPumping) return;
    isPumping = true;
    while (!isClosed && client.status === 'ready' && (unsent.length > 0 || !buffer.isEmpty)) {
      if (unsent.length === 0) unsent = [nextBatch()];
      const batch = unsent[0]!;
      try {
        await appendBatch(client, batch);
        unsent = unsent.filter((each) => each !== batch);
        keep(batch);
      } catch {
        schedule(RETRY_MS); // Its outcome is unknown: it is sent again.
        break;
      }
    }
    isPumping = false;
    if (unsent.length > 0 || !buffer.isEmpty) {
      if (client.status === 'ready') schedule(delayMs);
      return;
    }
    for (const resolve of waiters.splice(0)) resolve();
  };
  const schedule = (afterMs: number): void => {
    timer ??= setTimeout(() => void pump(), afterMs).unref();
  };

  return {
    push(line) {
      buffer.push(line);
      if (timer === undefined && !isPumping) schedule(delayMs);
    },
    async flush(timeoutMs = 1000) {
      if (isClosed || (buffer.isEmpty && unsent.length === 0)) return;
      if (client.status === 'reconnecting' || client.status === 'end') return;
      let late: NodeJS.Timeout | undefined;
      const isLate = new Promise<void>((resolve) => {
        late = setTimeout(resolve, timeoutMs);
      });
      const isSent = new Promise<void>((resolve) => {
        waiters.push(resolve);
      });
      void pump();
      await Promise.race([isSent, isLate]);
      clearTimeout(late);
    },
    get dropped() {
      return buffer.droppedEver;
    },
    async close() {
      clearTimeout(timer);
      isClosed = true;
      waiters = [];
      if (client.status === 'ready') await client.quit().catch(() => client.disconnect());
      else client.disconnect();
    },
  };
}

/** With an invalid URL there is never a Redis; the main connection reports it. */
function openClient(url: string, options: RedisOptions): Redis {
  try {
    requireRedisUrl(url);
    return new Redis(url, options);
  } catch (error) {
    if (!isMaestroError(error)) throw error;
    const none = new Redis({ ...options, lazyConnect: true });
    none.disconnect();
    return none;
  }
}
