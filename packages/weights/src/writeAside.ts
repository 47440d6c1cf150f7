import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';

/** Writes a file beside its place and moves it there, so that readers see all of it or nothing. Returns its size in bytes. */
export async function writeAside(file: string, chunks: readonly Uint8Array[]): Promise<number> {
  const aside = `${file}.${randomUUID()}`;
  try {
    const handle = await open(aside, 'w');
    let sizeBytes = 0;
    try {
      for (const chunk of chunks) {
        await handle.writeFile(chunk);
        sizeBytes += chunk.length;
      }
    } finally {
      await handle.close();
    }
    await rename(aside, file);
    return sizeBytes;
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}
