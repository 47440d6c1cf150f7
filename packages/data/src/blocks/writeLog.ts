import { randomBytes, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm, writeFile } from 'node:fs/promises';

/** The sizes of all files that any process has put into a folder: each knows how full it is without a look at every file. */
export interface WriteLog {
  /**
   * Adds the size of a file that was put into the folder.
   *
   * @returns bytes that all processes have added since the last call of `add` or `follow`, these included; undefined where that is not
   *   known, since the log is not followed yet or was begun anew.
   */
  add(sizeBytes: number): Promise<number | undefined>;
  /**
   * Follows the log from here on; begins a new one where it is missing or long. All that was in the folder before has to be counted after.
   */
  follow(): Promise<void>;
}

/** A log begins with random bytes, which tell it from the one before. */
const ID_BYTES = 16;
/** A size is an unsigned 32-bit integer, little-endian. */
const ENTRY_BYTES = 4;
/** A longer log is begun anew, after some 16,000 files; all who follow it count what is in the folder then. */
const MOST_BYTES = 64 * 1024;

/**
 * The log at `path`, on a local disk: entries are appended, which is atomic there. A file has to be in place before its size is added, so
 * that whoever begins a new log and then counts the files sees those whose entries went to the old one.
 */
export function openWriteLog(path: string): WriteLog {
  /** The log that is followed, and how far it was read. */
  let followed: { readonly id: string; readonly end: number } | undefined;

  /** The log now, after `entry` was appended, if any: what it has from byte `from` on. Undefined when there is none. */
  const read = async ({ from, entry }: { readonly from: number; readonly entry?: Uint8Array }) => {
    const flags = entry === undefined ? constants.O_RDONLY : constants.O_RDWR | constants.O_APPEND;
    const file = await open(path, flags).catch(undefinedIfMissing);
    if (file === undefined) return undefined;
    try {
      if (entry !== undefined) await file.write(entry);
      const { size } = await file.stat();
      const [id, rest] = [Buffer.alloc(ID_BYTES), Buffer.alloc(Math.min(Math.max(0, size - from), MOST_BYTES))];
      await file.read(id, 0, id.length, 0);
      await file.read(rest, 0, rest.length, from);
      return { id: id.toString('hex'), size, rest };
    } finally {
      await file.close();
    }
  };

  return {
    async add(sizeBytes) {
      const entry = Buffer.alloc(ENTRY_BYTES);
      entry.writeUInt32LE(sizeBytes);
      const log = await read({ from: followed?.end ?? 0, entry });
      if (log === undefined || followed === undefined || log.id !== followed.id || log.size > MOST_BYTES) return undefined;
      let sum = 0;
      let at = 0;
      for (; at + ENTRY_BYTES <= log.rest.length; at += ENTRY_BYTES) sum += log.rest.readUInt32LE(at);
      followed = { id: log.id, end: followed.end + at };
      return sum;
    },
    async follow() {
      const log = await read({ from: 0 });
      if (log !== undefined && log.size >= ID_BYTES && log.size <= MOST_BYTES) {
        followed = { id: log.id, end: log.size - ((log.size - ID_BYTES) % ENTRY_BYTES) };
        return;
      }
      const id = randomBytes(ID_BYTES);
      const aside = `${path}.${randomUUID()}`;
      try {
        await writeFile(aside, id);
        await rename(aside, path);
      } catch (error) {
        await rm(aside, { force: true });
        throw error;
      }
      followed = { id: id.toString('hex'), end: ID_BYTES };
    },
  };
}

function undefinedIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
