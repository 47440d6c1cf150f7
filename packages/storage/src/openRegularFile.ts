import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { MaestroError } from '@maestro/protocol';

/**
 * Opens a regular file for reading and refuses anything else: opening a named pipe without a writer blocks forever, and a device never
 * ends.
 *
 * @throws MaestroError `storage` for anything else; the system's error when it cannot be opened
 */
export async function openRegularFile(
  path: string | Buffer,
  { followsLinks = true }: { readonly followsLinks?: boolean } = {},
): Promise<FileHandle> {
  // O_NONBLOCK: a pipe opens at once, and is then detected. It has no effect on files.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | (followsLinks ? 0 : constants.O_NOFOLLOW));
  const found = await file.stat().catch(async (error: unknown) => {
    await file.close();
    throw error;
  });
  if (found.isFile()) return file;
  await file.close();
  throw new MaestroError('storage', `${path}: it is a ${kindOf(found)}, expected a regular file`);
}

function kindOf(found: Awaited<ReturnType<FileHandle['stat']>>): string {
  if (found.isDirectory()) return 'folder';
  if (found.isFIFO()) return 'named pipe';
  if (found.isSocket()) return 'socket';
  return 'device';
}
