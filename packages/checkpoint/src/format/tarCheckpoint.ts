import { isMaestroError, MaestroError } from '@maestro/protocol';
import {
  isUrl,
  joinLocation,
  lastName,
  openStorage,
  readStored,
  type StoredFile,
  TAR_BLOCK,
  tarHeader,
  tarPadding,
} from '@maestro/storage';
import { MANIFEST_FILE, parseManifest } from './manifest.ts';

/** Bytes read at a time, from a disk or over a network, where each read is a round trip. */
const CHUNK_BYTES = 1 << 20;

/** Downloads a checkpoint as a tar archive. */
export interface CheckpointTar {
  readonly sizeBytes: number;
  /** The archive's bytes, read on demand; closes the files at the end, also when iteration stops early. */
  readonly bytes: AsyncGenerator<Buffer>;
  /** Closes the files if the bytes were never read. */
  close(): Promise<unknown>;
}

/**
 * Packs a checkpoint into a tar archive (ustar) under the folder's name. All files are opened before this resolves, so that a checkpoint
 * that retention removes meanwhile is still sent whole; from an object store the archive is truncated then. Links are not followed.
 *
 * @throws MaestroError `not-found` when there is no such checkpoint, `checkpoint-invalid` when a file is missing or has another size
 */
export async function tarCheckpoint(dir: string): Promise<CheckpointTar> {
  const manifestBytes = await readStored(joinLocation(dir, MANIFEST_FILE)).catch((cause: Error) => {
    if (isUrl(dir) && !isMaestroError(cause, 'not-found')) throw cause;
    throw new MaestroError('not-found', `checkpoint ${dir}: cannot read its manifest: ${cause.message}`, { cause });
  });
  const files = Object.entries(parseManifest(manifestBytes).files).map(([name, { sizeBytes }]) => [name, sizeBytes] as const);
  const storage = openStorage(dir);
  const entries: Entry[] = [];
  try {
    for (const [name, size] of [...files, [MANIFEST_FILE, manifestBytes.length] as const]) {
      const file = await storage.open(name, { followsLinks: false });
      entries.push({ name, size, file });
      if (file.sizeBytes !== size)
        throw new MaestroError('checkpoint-invalid', `checkpoint ${dir}: ${name} has ${file.sizeBytes} bytes, the manifest says ${size}`);
    }
  } catch (error) {
    await closeAll(entries);
    if (isMaestroError(error, 'checkpoint-invalid') || (isUrl(dir) && !isMaestroError(error, 'not-found'))) throw error;
    throw new MaestroError('checkpoint-invalid', `checkpoint ${dir}: ${(error as Error).message}`, { cause: error });
  }
  const sizeBytes = entries.reduce((sum, { size }) => sum + TAR_BLOCK + size + tarPadding(size), 0) + 2 * TAR_BLOCK;
  return { sizeBytes, bytes: pack(lastName(dir), entries), close: () => closeAll(entries) };
}

interface Entry {
  readonly name: string;
  readonly size: number;
  readonly file: StoredFile;
}

const closeAll = (entries: readonly Entry[]): Promise<unknown> => Promise.allSettled(entries.map(({ file }) => file.close()));

async function* pack(folder: string, entries: readonly Entry[]): AsyncGenerator<Buffer> {
  try {
    for (const { name, size, file } of entries) {
      yield tarHeader(`${folder}/${name}`, size, file.modifiedAt);
      for (let offset = 0; offset < size; ) {
        const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size - offset));
        const bytesRead = await file.read(buffer, offset);
        if (bytesRead === 0) throw new MaestroError('storage', `checkpoint ${folder}: ${name} was truncated while it was being sent`);
        offset += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
      if (tarPadding(size) > 0) yield Buffer.alloc(tarPadding(size));
    }
    yield Buffer.alloc(2 * TAR_BLOCK);
  } finally {
    await closeAll(entries);
  }
}
