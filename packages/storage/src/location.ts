import { basename, dirname, join, resolve } from 'node:path';
import { MaestroError } from '@maestro/protocol';

/** Returns true for a location on an S3-compatible server: `s3://bucket/prefix`. */
export const isS3 = (location: string): boolean => location.startsWith('s3://');

/** Returns true for a location on a web server, which can only be read. */
export const isHttp = (location: string): boolean => /^https?:\/\//.test(location);

/** Returns true for a URL, false for a path of this machine. */
export const isUrl = (location: string): boolean => isS3(location) || isHttp(location);

/** Joins names to a location. */
export function joinLocation(location: string, ...names: readonly string[]): string {
  return isUrl(location) ? [withoutSlash(location), ...names].join('/') : join(location, ...names);
}

/**
 * Resolves a path to an absolute one, and removes the trailing slash of a URL. @throws MaestroError `invalid-argument` for a URL of another
 * kind.
 */
export function resolveLocation(location: string): string {
  if (!isUrl(location) && /^[a-z][a-z\d+.-]+:\/\//i.test(location))
    throw new MaestroError('invalid-argument', `${location}: expected a path, s3://bucket/prefix, http://... or https://...`);
  if (/^(s3|https?):\/\/(\/|$)/.test(location)) {
    const missing = isS3(location) ? 'a bucket, as in s3://bucket/prefix' : 'a host, as in http://host/path';
    throw new MaestroError('invalid-argument', `${location}: the address lacks ${missing}`);
  }
  return isUrl(location) ? withoutSlash(location) : resolve(location);
}

/** Returns the last name of a path or URL. */
export function lastName(location: string): string {
  return basename(location);
}

/** Returns the location without its last name. */
export function parentOf(location: string): string {
  return isUrl(location) ? withoutSlash(location).replace(/\/[^/]*$/, '') : dirname(resolve(location));
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
