import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openWriteLog } from './writeLog.ts';

/** A folder on a local disk for data that can be fetched again. Processes and threads can share it. */
export interface BoundedFolderOptions {
  readonly dir: string;
  /** Limit of the total size of its files, in bytes. */
  readonly limitBytes: number;
}

/** Files of one folder, named `GROUP/NAME`. When space runs out, the least recently used (by file time) are evicted. */
export interface BoundedFolder {
  /**
   * Writes a file atomically. Writes run one after another. When it resolves, all files together are within the limit, whoever wrote them;
   * while writing, each writer may exceed it by one file.
   *
   * @throws the disk's error; the file is then absent.
   */
  put(group: string, name: string, bytes: Uint8Array): Promise<void>;
}

/** Eviction goes down to this share of the limit, so that it happens rarely. */
const LEAST_SHARE = 0.9;
/** Age at which an unfinished file counts as abandoned. */
const ABANDONED_MS = 10 * 60_000;
/** Log of the sizes written to the folder; belongs to no group. */
const LOG = 'written.log';

/** Opens the folder `dir`, which is created at the first write. */
export function openBoundedFolder({ dir, limitBytes }: BoundedFolderOptions): BoundedFolder {
  const log = openWriteLog(join(dir, LOG));
  /** Size counted by this process, plus everything written by anyone since: an upper bound of the actual size. */
  let mostBytes = 0;
  let last: Promise<unknown> = Promise.resolve();

  const makeRoom = async (): Promise<void> => {
    await log.follow();
    const files = await listFiles(dir);
    let total = files.reduce((sum, { size }) => sum + size, 0);
    if (total > limitBytes) {
      files.sort((a, b) => a.usedMs - b.usedMs);
      // Files that another process is still writing stay: it is about to move them into place.
      for (const { path, size } of files.filter(({ isWhole }) => isWhole)) {
        if (total <= LEAST_SHARE * limitBytes) break;
        await rm(path, { force: true });
        total -= size;
      }
    }
    mostBytes = total;
  };

  const put = async (group: string, name: string, bytes: Uint8Array): Promise<void> => {
    const path = join(dir, group, name);
    const aside = join(dir, group, `.${randomUUID()}`);
    try {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(aside, bytes);
      await rename(aside, path);
      const added = await log.add(bytes.length);
      mostBytes += added ?? 0;
      if (added === undefined || mostBytes > limitBytes) await makeRoom();
    } catch (error) {
      // An uncounted file must not stay.
      for (const each of [aside, path]) await rm(each, { force: true }).catch(() => undefined);
      throw error;
    }
  };

  return {
    put(group, name, bytes) {
      const done = last.then(() => put(group, name, bytes));
      last = done.catch(() => undefined);
      return done;
    },
  };
}

interface FoundFile {
  readonly path: string;
  readonly size: number;
  readonly usedMs: number;
  /** False while the file is being written. */
  readonly isWhole: boolean;
}

/** Lists the files of all groups, and removes abandoned unfinished ones. */
async function listFiles(dir: string): Promise<FoundFile[]> {
  const files: FoundFile[] = [];
  for (const group of await readdir(dir)) {
    for (const name of await readdir(join(dir, group)).catch(() => [])) {
      const path = join(dir, group, name);
      const found = await stat(path).catch(() => undefined); // Another process may be evicting too.
      if (found === undefined) continue;
      const isWhole = !name.startsWith('.');
      if (!isWhole && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(path, { force: true });
      else files.push({ path, size: found.size, usedMs: found.mtimeMs, isWhole });
    }
  }
  return files;
}
