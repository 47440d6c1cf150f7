import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { MaestroError } from '@maestro/protocol';

/**
 * Opens a file to read it; nothing else that a name may stand for, since a named pipe without a writer holds whoever opens it for ever, and
 * a device never ends.
 *
 * @throws MaestroError `storage` where there is something else; the system's error where it cannot be opened
 */
export async function openRegularFile(
  path: string | Buffer,
  { followsLinks = true }: { readonly followsLinks?: boolean } = {},
): Promise<FileHandle> {
  // O_NONBLOCK: a pipe is opened at once, and then seen to be one. It means nothing to files.
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
