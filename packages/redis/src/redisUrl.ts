import { MaestroError } from '@maestro/protocol';

/**
 * Refuses anything but the URL of a Redis. The message shows nothing of it, since a malformed one may hold a password anywhere.
 * @throws MaestroError `invalid-argument`
 */
export function requireRedisUrl(url: string): void {
  const what = 'the URL of Redis (MAESTRO_REDIS_URL; REDIS_URL for `maestro up`)';
  const form = 'expected redis://host:port, or rediss:// for TLS, with user:password@ before the host if there are any';
  if (url.startsWith('/')) return;
  if (!/^rediss?:\/\//i.test(url)) throw new MaestroError('invalid-argument', `${what} does not begin with redis:// or rediss://: ${form}`);
  if (!URL.canParse(url) || new URL(url).hostname === '') {
    const remedy = 'characters such as / # ? @ : % in a password are written %2F %23 %3F %40 %3A %25';
    throw new MaestroError('invalid-argument', `${what} cannot be read: ${form}; ${remedy}`);
  }
}
