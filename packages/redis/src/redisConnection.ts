import { errorMessage, isMaestroError, MaestroError } from '@maestro/protocol';
import { Redis } from 'ioredis';
import { requireRedisUrl } from './redisUrl.ts';

/** A connection that survives an outage of Redis: it keeps reconnecting, while each call fails on its deadline. */
export interface RedisConnection {
  readonly client: Redis;
  /** Runs `work`; errors of Redis or the network become `redis-unavailable`, naming the operation `what`. */
  call<T>(what: string, work: () => Promise<T>): Promise<T>;
  /**
   * Calls `listener` whenever Redis returns after an outage; returns a function that stops it. Writes of the last second before the outage
   * may be lost, and commands sent during it may still take effect.
   */
  onReturn(listener: () => void): () => void;
  close(): Promise<void>;
}

/**
 * Connects to Redis.
 *
 * @throws MaestroError `invalid-argument` when the URL is invalid, `redis-unavailable` when it does not answer within `timeoutMs`.
 */
export async function connectRedis(url: string, { timeoutMs }: { readonly timeoutMs: number }): Promise<RedisConnection> {
  requireRedisUrl(url);
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
    await client.ping();
  } catch (cause) {
    client.disconnect();
    const why = errorMessage(lastError ?? cause);
    const advice = connectAdvice(why, client.options.tls !== undefined);
    throw new MaestroError('redis-unavailable', `could not connect: Redis at ${host}:${port}: ${why}${advice && `; ${advice}`}`, { cause });
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

/** Advises how to fix a refused connection. */
function connectAdvice(why: string, isTls: boolean): string {
  if (/NOAUTH/.test(why)) return 'its URL lacks the password; write redis://:PASSWORD@host:port';
  if (/WRONGPASS|invalid password/.test(why)) return 'the user or the password in the URL is wrong';
  if (/ECONNREFUSED|ENOENT/.test(why)) return 'nothing listens there';
  if (/timed out|ETIMEDOUT|closed/i.test(why)) {
    return isTls
      ? 'the server may not use TLS: use rediss:// for TLS, redis:// for plain connections'
      : 'no answer; a TLS port needs rediss://';
  }
  return /SSL|TLS|certificate/i.test(why) ? 'rediss:// needs a certificate that this machine trusts' : '';
}
