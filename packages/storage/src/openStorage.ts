import { MaestroError } from '@maestro/protocol';
import { openFolder } from './folderStorage.ts';
import { openHttpSource } from './httpSource.ts';
import { isHttp, isS3, lastName, parentOf } from './location.ts';
import { readS3Settings } from './s3/s3Client.ts';
import { openS3 } from './s3/s3Storage.ts';
import type { OpenOptions, Source, Storage, StoredFile } from './storage.ts';

/** Larger objects are not read in one piece. */
const MOST_WHOLE_BYTES = 64 * 2 ** 20;

/**
 * Opens the storage at a location: a folder's path, or `s3://bucket/prefix` with the settings of the environment. Sends no request and
 * creates nothing.
 *
 * @throws MaestroError `invalid-argument` for a location that cannot be written to
 */
export function openStorage(location: string): Storage {
  if (isS3(location)) return openS3(location, readS3Settings());
  if (isHttp(location))
    throw new MaestroError('invalid-argument', `${location}: a web server can only be read from; use a folder or s3://bucket/prefix`);
  return openFolder(location);
}

/** Opens a location for reading: like {@link openStorage}, or `http(s)://...`. */
export function openSource(location: string): Source {
  return isHttp(location) ? openHttpSource(location) : openStorage(location);
}

/** Opens the object at a location. @throws MaestroError `not-found`, `storage`. */
export function openStored(location: string, options?: OpenOptions): Promise<StoredFile> {
  return openStorage(parentOf(location)).open(lastName(location), options);
}

/** Reads a small object. @throws MaestroError `not-found`, `storage`, `too-large`. */
export function readStored(location: string, signal?: AbortSignal): Promise<Uint8Array> {
  return openSource(parentOf(location)).readWhole(lastName(location), { limitBytes: MOST_WHOLE_BYTES, signal });
}
