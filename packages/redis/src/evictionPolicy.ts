import { MaestroError } from '@maestro/protocol';
import type { RedisConnection } from './redisConnection.ts';

/** The policy under which Redis never drops a key by itself, and refuses writes when its memory is full. */
const KEEPS_ALL = 'noeviction';

/**
 * Returns why this Redis may drop keys: the name of its eviction policy. `undefined` when it does not, or does not report one.
 * @throws MaestroError `redis-unavailable`.
 */
export async function readEvictionRisk({ client, call }: RedisConnection): Promise<string | undefined> {
  const info = await call('read its eviction policy', () => client.info('memory'));
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy === undefined || policy === KEEPS_ALL) return undefined;
  const { host, port } = client.options;
  return `Redis at ${host}:${port} has the maxmemory-policy ${policy}, so it may evict jobs and ledgers when its memory is full`;
}

/**
 * Requires that Redis never evicts keys.
 * @throws MaestroError `redis-unavailable` when its policy allows it to and `isAllowed` is false.
 */
export async function requireNoEviction(redis: RedisConnection, { isAllowed }: { readonly isAllowed: boolean }): Promise<void> {
  const risk = await readEvictionRisk(redis);
  if (risk === undefined || isAllowed) return;
  throw new MaestroError(
    'redis-unavailable',
    `${risk}; set it with \`redis-cli CONFIG SET maxmemory-policy ${KEEPS_ALL}\` and in its redis.conf, or accept the risk with ` +
      'MAESTRO_REDIS_EVICTION=allow',
  );
}
