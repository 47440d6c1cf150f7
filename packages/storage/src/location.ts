import { basename, dirname, join, resolve } from 'node:path';
import { MaestroError } from '@maestro/protocol';

/** Whether a location is on an S3-compatible server: `s3://bucket/prefix`. */
export const isS3 = (location: string): boolean => location.startsWith('s3://');

/** Whether a location is on a web server, and so can only be read. */
export const isHttp = (location: string): boolean => /^https?:\/\//.test(location);

/** Whether a location is a URL and no path of this machine. */
export const isUrl = (location: string): boolean => isS3(location) || isHttp(location);

/** The location of something below another one. */
export function joinLocation(location: string, ...names: readonly string[]): string {
  return isUrl(location) ? [withoutSlash(location), ...names].join('/') : join(location, ...names);
}

/** A path made absolute; a URL without a slash at its end. @throws MaestroError `invalid-argument` for a URL of another kind. */
export function resolveLocation(location: string): string {
  if (!isUrl(location) && /^[a-z][a-z\d+.-]+:\/\//i.test(location))
    throw new MaestroError('invalid-argument', `${location}: expected a path, s3://bucket/prefix, http://... or https://...`);
  if (/^(s3|https?):\/\/(\/|$)/.test(location)) {
    const missing = isS3(location) ? 'a bucket, as in s3://bucket/prefix' : 'a host, as in http://host/path';
    throw new MaestroError('invalid-argument', `${location}: the address lacks ${missing}`);
  }
  return isUrl(location) ? withoutSlash(location) : resolve(location);
}

/** The last name of a path or URL. */
export function lastName(location: string): string {
  return basename(location);
}

/** The location without its last name. */
export function parentOf(location: string): string {
  return isUrl(location) ? withoutSlash(location).replace(/\/[^/]*$/, '') : dirname(resolve(location));
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
