import { MaestroError } from '@maestro/protocol';

/** A bucket and the key prefix of a location, without a trailing slash. */
export interface S3Place {
  readonly bucket: string;
  readonly prefix: string;
}

/** Parses `s3://bucket/prefix`. @throws MaestroError `invalid-argument`. */
export function parseS3Location(location: string): S3Place {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(location);
  const prefix = (match?.[2] ?? '').replace(/\/+$/, '');
  if (match === null || prefix.split('/').some((part) => part === '..' || part === '.'))
    throw new MaestroError('invalid-argument', `${location}: expected s3://bucket/prefix`);
  return { bucket: match[1]!, prefix };
}

/** Returns the key of an object below a place. */
export function keyOf({ prefix }: S3Place, name: string): string {
  return prefix === '' ? name : `${prefix}/${name}`;
}
