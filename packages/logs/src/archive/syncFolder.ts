import { open } from 'node:fs/promises';

/** Flushes a folder, so that a new or renamed file in it survives a crash of the machine. */
export async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
