import { isUrl, openStored, readAhead, type StoredFile } from '@maestro/storage';

/** Bytes read at a time over a network, where each read is a round trip: 200 tensors of a few kilobytes would cost 200. */
const WINDOW_BYTES = 8 << 20;

/** Opens a file of a checkpoint for sequential reading. @throws MaestroError `not-found`, `storage`. */
export async function openPart(location: string, signal?: AbortSignal): Promise<StoredFile> {
  const file = await openStored(location, { signal });
  return isUrl(location) ? readAhead(file, WINDOW_BYTES) : file;
}
