import { MaestroError } from '@maestro/protocol';
import type { Storage, StoredFile } from '@maestro/storage';

/** Limits open files. Large sets have hundreds of shards, and samples are read from all of them in turn. */
const MOST_OPEN = 64;
/** Idle time after which a file is closed. */
const IDLE_MS = 5_000;

interface OpenShard {
  readonly file: Promise<StoredFile>;
  /** Number of reads in progress. */
  users: number;
  usedMs: number;
}

/** Bytes read from a shard, and the file's modification time before and after the read. */
export interface ShardPart {
  readonly bytes: Uint8Array;
  readonly changedMs: number;
  /** True when the file did not change during the read. */
  readonly isSteady: boolean;
}

/**
 * Reads bytes `begin..end` of a shard; with `isWatched` the file's time is also taken before the read. @throws MaestroError `not-found`,
 * `storage`.
 */
export type ShardFiles = (
  name: string,
  range: { readonly begin: number; readonly end: number },
  options?: { readonly isWatched?: boolean },
) => Promise<ShardPart>;

/** Reads from the shards of a folder through files that stay open for a while: opening one takes longer than reading a sample. */
export function openShardFiles(folder: Storage): ShardFiles {
  const shards = new Map<string, OpenShard>();
  let sweep: NodeJS.Timeout | undefined;

  const close = (name: string, { file }: OpenShard): void => {
    shards.delete(name);
    // The reader already got the error of a file that could not be opened.
    void file.then((opened) => opened.close()).catch(() => undefined);
  };
  const closeIdle = (): void => {
    const now = performance.now();
    for (const [name, shard] of shards) if (shard.users === 0 && now - shard.usedMs > IDLE_MS) close(name, shard);
    if (shards.size > 0) return;
    clearInterval(sweep);
    sweep = undefined;
  };
  const opened = (name: string): OpenShard => {
    const known = shards.get(name);
    const shard = known ?? { file: folder.open(name), users: 0, usedMs: 0 };
    shards.delete(name);
    shards.set(name, shard); // the last in order is the most recently used
    if (known === undefined) {
      const idle = [...shards].find(([, { users }]) => users === 0);
      if (shards.size > MOST_OPEN && idle !== undefined && idle[1] !== shard) close(...idle);
      sweep ??= setInterval(closeIdle, IDLE_MS).unref();
    }
    return shard;
  };

  return async (name, { begin, end }, { isWatched = false } = {}) => {
    const shard = opened(name);
    shard.users++;
    try {
      const file = await shard.file;
      const before = isWatched ? await file.changedMs() : undefined;
      const bytes = new Uint8Array(end - begin);
      for (let read = 0; read < bytes.length; ) {
        const more = await file.read(bytes.subarray(read), begin + read);
        if (more === 0) throw new MaestroError('storage', `${folder.location}/${name}: it ends at byte ${begin + read}, expected ${end}`);
        read += more;
      }
      const changedMs = await file.changedMs();
      return { bytes, changedMs, isSteady: before === undefined || before === changedMs };
    } catch (error) {
      if (shards.get(name) === shard && shard.users === 1) close(name, shard);
      throw error;
    } finally {
      shard.users--;
      shard.usedMs = performance.now();
    }
  };
}
