import { createHash } from 'node:crypto';
import { closeSync, fstatSync, open, read } from 'node:fs';
import { readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type BoundedFolderOptions, openBoundedFolder } from './boundedFolder.ts';

/**
 * Cache of blocks, keyed by their SHA-256: the content matches the key, whoever wrote it. Each block is verified on its first read, and
 * again when its file has changed since; a damaged one is removed and reported as absent.
 */
export interface BlockCache {
  /** Returns a verified block; undefined when it is absent. */
  read(sha256: string): Promise<Uint8Array | undefined>;
  /** Fills `target` from byte `from` of a block, if the block was verified before. @returns true when it did */
  readPart(sha256: string, from: number, target: Uint8Array): Promise<boolean>;
  /** Stores a block; does nothing when the disk refuses it. */
  write(sha256: string, bytes: Uint8Array): Promise<void>;
}

/** Minimum interval between updates of a block's access time: one system call per read is too much. */
const TOUCH_MS = 60_000;

const openFile = promisify(open);
const readFrom = promisify(read);

/** Opens a cache in a folder that other processes may share; the size limit applies to all of them together. */
export function openBlockCache(options: BoundedFolderOptions): BlockCache {
  const { dir } = options;
  const folder = openBoundedFolder(options);
  /** Modification time of each block's file when the block was verified. */
  const checked = new Map<string, number>();
  const pathOf = (sha256: string): string => join(dir, groupOf(sha256), sha256);

  /** Marks a block as used, so that others are evicted first. */
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
        return undefined; // Absent, or the cache cannot be read and counts as empty.
      }
    },
    async readPart(sha256, from, target) {
      const known = checked.get(sha256);
      if (known === undefined) return false;
      try {
        // Only calls that may wait for the disk run on other threads; for the rest the hand-over costs more than it saves.
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
      // When the disk refuses it: the block is in memory and still usable.
      await folder.put(groupOf(sha256), sha256, bytes).catch(() => undefined);
    },
  };
}

const groupOf = (sha256: string): string => sha256.slice(0, 2);

/** Returns the SHA-256 in lower-case hexadecimal. */
export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
