import { randomBytes, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm, writeFile } from 'node:fs/promises';

/** Sizes of all files that any process has written to a folder: each process knows how full it is without listing it. */
export interface WriteLog {
  /**
   * Appends the size of a file that was written to the folder.
   *
   * @returns the bytes that all processes have appended since the last call of `add` or `follow`, including these; undefined when unknown,
   * because the log is not followed yet or was restarted.
   */
  add(sizeBytes: number): Promise<number | undefined>;
  /**
   * Follows the log from its current end; starts a new log when it is missing or too long. The folder's content must be counted after this
   * call.
   */
  follow(): Promise<void>;
}

/** A log begins with random bytes, which distinguish it from its predecessor. */
const ID_BYTES = 16;
/** A size is an unsigned 32-bit integer, little-endian. */
const ENTRY_BYTES = 4;
/** A longer log is restarted, after some 16,000 files; its followers then count the folder's content. */
const MOST_BYTES = 64 * 1024;

/**
 * Opens the log at `path`, on a local disk: entries are appended, which is atomic there. A file must be in place before its size is
 * appended, so that whoever restarts the log and then counts the files sees those whose entries went to the old one.
 */
export function openWriteLog(path: string): WriteLog {
  /** Id of the followed log, and the offset read so far. */
  let followed: { readonly id: string; readonly end: number } | undefined;

  /** Reads the log from byte `from`, after appending `entry` if given. Undefined when there is no log. */
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
