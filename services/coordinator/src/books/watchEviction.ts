import { isMaestroError, MaestroError } from '@maestro/protocol';
import { type RedisConnection, readEvictionRisk, requireNoEviction } from '@maestro/redis';
import type { Logger } from '@maestro/telemetry';

/** Watches whether Redis may evict keys. */
export interface EvictionWatch {
  /** Returns why accepted jobs may be lost; undefined while Redis keeps all. */
  risk(): string | undefined;
  close(): void;
}

const EVERY_MS = 30_000;

/** Parses `MAESTRO_REDIS_EVICTION`: true when a Redis that may evict keys is tolerated. @throws MaestroError `invalid-argument`. */
export function readEviction(text: string): boolean {
  if (text === 'allow' || text === 'refuse') return text === 'allow';
  throw new MaestroError('invalid-argument', `MAESTRO_REDIS_EVICTION: expected refuse or allow, found ${text}`);
}

/**
 * Checks the eviction policy of Redis, now and periodically.
 * @throws MaestroError `redis-unavailable` when it may evict keys and that is not allowed. Later changes are logged, and reported by
 * `risk`.
 */
export async function watchEviction({
  redis,
  isAllowed,
  log,
  everyMs = EVERY_MS,
}: {
  readonly redis: RedisConnection;
  readonly isAllowed: boolean;
  readonly log: Logger;
  readonly everyMs?: number;
}): Promise<EvictionWatch> {
  await requireNoEviction(redis, { isAllowed });
  let risk: string | undefined;
  const look = async (): Promise<void> => {
    const found = await readEvictionRisk(redis);
    if (found !== undefined && risk === undefined) log.error({ reason: found }, 'jobs may be lost: set maxmemory-policy to noeviction');
    if (found === undefined && risk !== undefined) log.info('Redis keeps what it is given again');
    risk = found;
  };
  await look();
  const timer = setInterval(() => {
    look().catch((error: unknown) => {
      if (!isMaestroError(error, 'redis-unavailable')) throw error;
    });
  }, everyMs);
  return { risk: () => risk, close: () => clearInterval(timer) };
}
