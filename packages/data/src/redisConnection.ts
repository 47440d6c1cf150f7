import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';
import { Redis } from 'ioredis';

/** A connection that outlives an absent Redis: it goes on trying, while each call fails on its deadline. */
export interface RedisConnection {
  readonly client: Redis;
  /** Runs `work`; what Redis or the network does wrong becomes `redis-unavailable`, naming `what` was to be done. */
  call<T>(what: string, work: () => Promise<T>): Promise<T>;
  /**
   * Calls `listener` whenever Redis is back after it was away; gives the way to stop. What was written in the last second before may be
   * gone, and what was asked for in between may yet be done.
   */
  onReturn(listener: () => void): () => void;
  close(): Promise<void>;
}

/**
 * Connects to Redis.
 *
 * @throws MaestroError `redis-unavailable` when it does not answer within `timeoutMs`.
 */
export async function connectRedis(url: string, { timeoutMs }: { readonly timeoutMs: number }): Promise<RedisConnection> {
  const client = new Redis(url, {
    maxRetriesPerRequest: null,
    commandTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    retryStrategy: (attempt) => Math.min(50 * attempt, 1000),
  });
  let lastError: unknown;
  client.on('error', (error) => {
    lastError = error;
  });
  const { host, port } = client.options;

  const call = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      if (isMaestroError(cause)) throw cause;
      const why = client.status === 'ready' ? errorMessage(cause) : `${errorMessage(lastError ?? cause)}; trying to reconnect`;
      throw new MaestroError('redis-unavailable', `could not ${what}: Redis at ${host}:${port}: ${why}`, { cause });
    }
  };
  try {
    await call('connect', () => client.ping());
  } catch (error) {
    client.disconnect();
    throw error;
  }
  const listeners = new Set<() => void>();
  client.on('ready', () => {
    for (const listener of listeners) listener();
  });
  return {
    client,
    call,
    onReturn: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: async () => {
      if (client.status === 'ready') await client.quit().catch(() => client.disconnect());
      else client.disconnect();
    },
  };
}
