import { createHash, randomUUID } from 'node:crypto';
import { closeSync, fstatSync, open, read } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A folder on a local disk for blocks of packed data sets. Processes can share it. */
export interface BlockCacheOptions {
  readonly dir: string;
  /** What all blocks in it may take, in bytes. */
  readonly limitBytes: number;
}

/**
 * Blocks by their SHA-256: what is in the cache is what was asked for, whoever put it there. Each is checked when it is first read, and again when its
 * file has changed since; one that is damaged is removed, and not there.
 */
export interface BlockCache {
  /** A block, checked, if it is there. */
  read(sha256: string): Promise<Uint8Array | undefined>;
  /** Fills `target` from byte `from` of a block on, where that was checked before. @returns whether it did */
  readPart(sha256: string, from: number, target: Uint8Array): Promise<boolean>;
  /** Keeps a block; does nothing where the disk refuses it. */
  write(sha256: string, bytes: Uint8Array): Promise<void>;
}

/** Room is made down to this share of the limit, so that it is made seldom. */
const LEAST_SHARE = 0.9;
/** A block that is read again counts as new only after so long: a system call for each read is too much. */
const TOUCH_MS = 60_000;
/** A file that was being written is abandoned after so long. */
const ABANDONED_MS = 10 * 60_000;

const openFile = promisify(open);
const readFrom = promisify(read);

/** A cache. Those used longest ago go first; a process learns of what others put in when it makes room itself. */
export function openBlockCache({ dir, limitBytes }: BlockCacheOptions): BlockCache {
  /** What is in the folder, as far as this process knows; undefined until it has looked. */
  let knownBytes: number | undefined;
  let room: Promise<void> | undefined;
  /** When the files of blocks that were found whole had been changed last. */
  const checked = new Map<string, number>();
  const pathOf = (sha256: string): string => join(dir, sha256.slice(0, 2), sha256);

  /** Notes that a block was used, so that others go first. */
  const touch = async (sha256: string, mtimeMs: number): Promise<void> => {
    const now = new Date();
    if (now.getTime() - mtimeMs <= TOUCH_MS) return;
    await utimes(pathOf(sha256), now, now);
    checked.set(sha256, now.getTime());
  };

  const makeRoom = async (): Promise<void> => {
    const files: { readonly path: string; readonly size: number; readonly usedMs: number }[] = [];
    for (const folder of await readdir(dir)) {
      for (const name of await readdir(join(dir, folder)).catch(() => [])) {
        const path = join(dir, folder, name);
        const found = await stat(path).catch(() => undefined); // Another process makes room too.
        if (found === undefined) continue;
        if (name.startsWith('.') && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(path, { force: true });
        else files.push({ path, size: found.size, usedMs: found.mtimeMs });
      }
    }
    let total = files.reduce((sum, { size }) => sum + size, 0);
    if (total > limitBytes) {
      files.sort((a, b) => a.usedMs - b.usedMs);
      for (const { path, size } of files) {
        if (total <= LEAST_SHARE * limitBytes) break;
        await rm(path, { force: true });
        total -= size;
      }
    }
    knownBytes = total;
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
      const path = pathOf(sha256);
      const aside = join(dir, sha256.slice(0, 2), `.${randomUUID()}`);
      try {
        await mkdir(join(dir, sha256.slice(0, 2)), { recursive: true });
        await writeFile(aside, bytes);
        await rename(aside, path);
        knownBytes = knownBytes === undefined ? undefined : knownBytes + bytes.length;
        if (knownBytes === undefined || knownBytes > limitBytes) {
          room ??= makeRoom().finally(() => {
            room = undefined;
          });
          await room;
        }
      } catch {
        // The block is in memory, and used all the same.
        await rm(aside, { force: true }).catch(() => undefined);
      }
    },
  };
}

/** SHA-256 in lower-case hexadecimal. */
export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
