import { createHash } from 'node:crypto';
import { closeSync, fstatSync, open, read } from 'node:fs';
import { readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type BoundedFolderOptions, openBoundedFolder } from './boundedFolder.ts';

/**
 * Blocks by their SHA-256: what is in the cache is what was asked for, whoever put it there. Each is checked when it is first read, and
 * again when its file has changed since; one that is damaged is removed, and not there.
 */
export interface BlockCache {
  /** A block, checked, if it is there. */
  read(sha256: string): Promise<Uint8Array | undefined>;
  /** Fills `target` from byte `from` of a block on, where that was checked before. @returns whether it did */
  readPart(sha256: string, from: number, target: Uint8Array): Promise<boolean>;
  /** Keeps a block; does nothing where the disk refuses it. */
  write(sha256: string, bytes: Uint8Array): Promise<void>;
}

/** A block that is read again counts as new only after so long: a system call for each read is too much. */
const TOUCH_MS = 60_000;

const openFile = promisify(open);
const readFrom = promisify(read);

/** A cache in a folder that others may share, and that is bounded for all of them together. */
export function openBlockCache(options: BoundedFolderOptions): BlockCache {
  const { dir } = options;
  const folder = openBoundedFolder(options);
  /** When the files of blocks that were found whole had been changed last. */
  const checked = new Map<string, number>();
  const pathOf = (sha256: string): string => join(dir, groupOf(sha256), sha256);

  /** Notes that a block was used, so that others go first. */
  const touch = async (sha256: string, mtimeMs: number): Promise<void> => {
    const now = new Date();
    if (now.getTime() - mtimeMs <= TOUCH_MS) return;
    await utimes(pathOf(sha256), now, now);
    checked.set(sha256, now.getTime());
  };

  return {
    async read(sha256) {
      const path = pathOf(sha256);
      try {
        const { mtimeMs } = await stat(path);
        const bytes = await readFile(path);
        if (hashOf(bytes) !== sha256) {
          await rm(path, { force: true });
          return undefined;
        }
        checked.set(sha256, mtimeMs);
        await touch(sha256, mtimeMs);
        return bytes;
      } catch {
        return undefined; // It is not there, or the cache cannot be read, and so is none.
      }
    },
    async readPart(sha256, from, target) {
      const known = checked.get(sha256);
      if (known === undefined) return false;
      try {
        // What may have to wait for the disk is left to other threads; the rest is not worth the way there.
        const file = await openFile(pathOf(sha256), 'r');
        try {
          const { mtimeMs } = fstatSync(file);
          if (mtimeMs !== known) return false;
          const { bytesRead } = await readFrom(file, target, 0, target.length, from);
          if (bytesRead !== target.length) return false;
          await touch(sha256, mtimeMs);
        } finally {
          closeSync(file);
        }
        return true;
      } catch {
        return false;
      }
    },
    async write(sha256, bytes) {
      // Where the disk refuses it: the block is in memory, and used all the same.
      await folder.put(groupOf(sha256), sha256, bytes).catch(() => undefined);
    },
  };
}

const groupOf = (sha256: string): string => sha256.slice(0, 2);

/** SHA-256 in lower-case hexadecimal. */
export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
