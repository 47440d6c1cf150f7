import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openWriteLog } from './writeLog.ts';

/** A folder on a local disk for what can be had again. Processes and threads can share it. */
export interface BoundedFolderOptions {
  readonly dir: string;
  /** What all files in it may take, in bytes. */
  readonly limitBytes: number;
}

/** Files of one folder, `GROUP/NAME` each; of those used longest ago (by their times) some go when there is no more room. */
export interface BoundedFolder {
  /**
   * Puts a file in place at once. Files are put one after the other. When it resolves, all files together take no more than the limit,
   * whoever put them; meanwhile each that puts files may have one there beyond it.
   *
   * @throws whatever the disk says; then the file is not there.
   */
  put(group: string, name: string, bytes: Uint8Array): Promise<void>;
}

/** Room is made down to this share of the limit, so that it is made seldom. */
const LEAST_SHARE = 0.9;
/** A file that was being written is abandoned after so long. */
const ABANDONED_MS = 10 * 60_000;
/** Sizes of what was put into the folder; no file of a group. */
const LOG = 'written.log';

/** The folder `dir`, which is made when something is first put there. */
export function openBoundedFolder({ dir, limitBytes }: BoundedFolderOptions): BoundedFolder {
  const log = openWriteLog(join(dir, LOG));
  /** What was there when this process counted it, and all that anyone has put there since: what is there, or more. */
  let mostBytes = 0;
  let last: Promise<unknown> = Promise.resolve();

  const makeRoom = async (): Promise<void> => {
    await log.follow();
    const files = await listFiles(dir);
    let total = files.reduce((sum, { size }) => sum + size, 0);
    if (total > limitBytes) {
      files.sort((a, b) => a.usedMs - b.usedMs);
      // Another process is about to put what it still writes in place.
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
      // What is not counted must not stay.
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
  /** False for one that is being written. */
  readonly isWhole: boolean;
}

/** All files of all groups, less those that were abandoned half-written, which are removed. */
async function listFiles(dir: string): Promise<FoundFile[]> {
  const files: FoundFile[] = [];
  for (const group of await readdir(dir)) {
    for (const name of await readdir(join(dir, group)).catch(() => [])) {
      const path = join(dir, group, name);
      const found = await stat(path).catch(() => undefined); // Another process makes room too.
      if (found === undefined) continue;
      const isWhole = !name.startsWith('.');
      if (!isWhole && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(path, { force: true });
      else files.push({ path, size: found.size, usedMs: found.mtimeMs, isWhole });
    }
  }
  return files;
}
