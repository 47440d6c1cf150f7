import { isUrl, openStored, readAhead, type StoredFile } from '@maestro/storage';

/** Read at a time over a network, where each read is a round trip: 200 tensors of a few kilobytes would be 200 of them. */
const WINDOW_BYTES = 8 << 20;

/** Opens a file of a checkpoint, which is read from its beginning to its end. @throws MaestroError `not-found`, `storage`. */
export async function openPart(location: string, signal?: AbortSignal): Promise<StoredFile> {
  const file = await openStored(location, { signal });
  return isUrl(location) ? readAhead(file, WINDOW_BYTES) : file;
}
