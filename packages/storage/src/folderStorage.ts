import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { MaestroError } from '@maestro/protocol';
import { chunked } from './chunks.ts';
import { openRegularFile } from './openRegularFile.ts';
import type { Storage, StoredObject } from './storage.ts';
import { storageError } from './storageError.ts';

/** Bytes written at a time: hashing blocks the event loop for a millisecond or two at most. */
const CHUNK_BYTES = 1 << 20;

/** Opens the storage in a folder of this machine. An object is written to a temporary file, flushed, and renamed. */
export function openFolder(path: string): Storage {
  const root = resolve(path);
  const at = (name: string): string => join(root, ...name.split('/'));

  const withFile = async <T>(name: string, work: (file: FileHandle) => Promise<T>): Promise<T> => {
    try {
      const file = await openRegularFile(at(name));
      try {
        return await work(file);
      } finally {
        await file.close();
      }
    } catch (error) {
      throw readError(error, at(name));
    }
  };

  return {
    location: root,

    async list(prefix = '', signal) {
      const folder = at(prefix);
      const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
        throw storageError(error, `listing ${folder}`);
      });
      const objects: StoredObject[] = [];
      for (const entry of entries) {
        if (entry.isDirectory()) continue;
        signal?.throwIfAborted();
        const file = join(entry.parentPath, entry.name);
        const found = await statIfThere(file);
        if (found !== undefined)
          objects.push({ name: relative(root, file).split(sep).join('/'), sizeBytes: found.size, modifiedAt: found.mtime });
      }
      return objects.sort((a, b) => (a.name < b.name ? -1 : 1));
    },

    async open(name, { followsLinks = true } = {}) {
      try {
        const file = await openRegularFile(at(name), { followsLinks });
        const { size, mtime } = await file.stat();
        return {
          sizeBytes: size,
          modifiedAt: mtime,
          async read(target, from, signal) {
            signal?.throwIfAborted();
            return (await file.read(target, 0, target.length, from)).bytesRead;
          },
          // ctime, since mtime can be set back, as copying programs do.
          changedMs: async () => (await file.stat()).ctimeMs,
          close: () => file.close(),
        };
      } catch (error) {
        throw readError(error, at(name));
      }
    },

    readRange: (name, { begin, end }, signal) =>
      withFile(name, async (file) => {
        signal?.throwIfAborted();
        const target = new Uint8Array(end - begin);
        for (let read = 0; read < target.length; ) {
          const { bytesRead } = await file.read(target, read, target.length - read, begin + read);
          if (bytesRead === 0) throw new MaestroError('storage', `${at(name)}: it ends at byte ${begin + read}, expected ${end}`);
          read += bytesRead;
        }
        return target;
      }),

    readWhole: (name, { limitBytes }) =>
      withFile(name, async (file) => {
        const { size } = await file.stat();
        if (size > limitBytes) throw new MaestroError('too-large', `${at(name)} has ${size} bytes, at most ${limitBytes}`);
        return file.readFile();
      }),

    async sizeOf(name) {
      const found = await statIfThere(at(name));
      if (found === undefined) throw new MaestroError('not-found', `${at(name)}: there is no such file`);
      return found.size;
    },

    async write(name, parts, { signal, beforePublish } = {}) {
      const target = at(name);
      const aside = join(dirname(target), `.writing-${randomUUID()}`);
      const hash = createHash('sha256');
      let sizeBytes = 0;
      try {
        await mkdir(dirname(target), { recursive: true });
        const file = await open(aside, 'wx');
        try {
          for await (const chunk of chunked(parts, CHUNK_BYTES)) {
            signal?.throwIfAborted();
            const writing = file.writeFile(chunk);
            hash.update(chunk);
            await writing;
            sizeBytes += chunk.length;
          }
          await beforePublish?.();
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(aside, target);
        await syncFolder(dirname(target));
      } catch (error) {
        await rm(aside, { force: true }).catch(() => undefined); // the first error explains it
        throw storageError(error, `writing ${target}`);
      }
      return { sizeBytes, sha256: hash.digest('hex') };
    },

    async remove(name) {
      await rm(at(name), { force: true }).catch((error: unknown) => {
        throw storageError(error, `removing ${at(name)}`);
      });
    },
  };
}

/** A new name is on the device only once its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function statIfThere(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw storageError(error, `looking at ${path}`);
  }
}

function readError(error: unknown, path: string): unknown {
  if ((error as NodeJS.ErrnoException | null)?.code === 'ENOENT')
    return new MaestroError('not-found', `${path}: there is no such file`, { cause: error });
  return storageError(error, `reading ${path}`);
}
