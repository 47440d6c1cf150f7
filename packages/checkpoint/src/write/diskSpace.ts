import { statfs } from 'node:fs/promises';
import { formatBytes, MaestroError } from '@maestro/protocol';

/** Allowance for folders and rounding to blocks, on top of the files themselves. */
const SLACK_BYTES = 1 << 20;

/**
 * Checks that a folder's file system has room for `neededBytes` more, before anything is written.
 *
 * @throws MaestroError `storage` with both figures and advice
 */
export async function requireSpace(folder: string, neededBytes: number, doing: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes + SLACK_BYTES) return;
  const [needed, free] = [neededBytes, freeBytes].map(formatBytes);
  const message = `${doing}: it needs ${needed}, ${free} are free: free space, or keep fewer checkpoints`;
  throw new MaestroError('storage', message, { details: { neededBytes, freeBytes } });
}
