import { setTimeout as delay } from 'node:timers/promises';
import { MaestroError } from '@maestro/protocol';
import { isPassing, type Source } from '@maestro/storage';
import { type BlockCache, hashOf } from './blockCache.ts';

/** The part of a shard's description that blocks need. */
export interface BlockedShard {
  readonly name: string;
  readonly sizeBytes: number;
  readonly blocks: readonly string[];
}

/** Limits concurrent block requests. */
const AT_ONCE = 8;
/** Number of blocks kept in memory after they were read. */
const KEPT = 32;
/**
 * Default time for which requests to an unresponsive server are retried: a job has nothing else to do, and no image may be left out because
 * of it.
 */
const PATIENCE_MS = 5 * 60_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

interface HeldBlock {
  readonly bytes: Promise<Uint8Array>;
  isRead: boolean;
}

/** Reads parts of remote shards block by block, verifying each against its SHA-256. */
export interface BlockReader {
  /** @throws MaestroError `data-invalid` when the server's bytes differ from the index, `storage` when it does not answer. */
  read(shard: BlockedShard, begin: number, end: number): Promise<Uint8Array>;
}

/** Opens a reader that takes blocks from the cache when they are in it. */
export function openBlockReader({
  source,
  blockBytes,
  cache,
  patienceMs = PATIENCE_MS,
}: {
  readonly source: Source;
  readonly blockBytes: number;
  readonly cache: BlockCache | undefined;
  /** Time for which requests to an unresponsive server are retried. */
  readonly patienceMs?: number | undefined;
}): BlockReader {
  /** Blocks requested but not yet read, and the last few that were read: neighbouring samples share blocks. */
  const held = new Map<string, HeldBlock>();
  const queue: (() => void)[] = [];
  let active = 0;

  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    if (active >= AT_ONCE) await new Promise<void>((resolve) => queue.push(resolve));
    active++;
    try {
      return await work();
    } finally {
      active--;
      queue.shift()?.();
    }
  };

  const fetchBlock = async ({ name, sizeBytes, blocks }: BlockedShard, at: number): Promise<Uint8Array> => {
    const sha256 = blocks[at]!;
    const cached = await cache?.read(sha256);
    if (cached !== undefined) return cached;
    const range = { begin: at * blockBytes, end: Math.min(sizeBytes, (at + 1) * blockBytes) };
    const bytes = await patiently(patienceMs, () => source.readRange(name, range));
    if (hashOf(bytes) !== sha256) throw otherBytes(source.location, name, range.begin);
    await cache?.write(sha256, bytes);
    return bytes;
  };

  const keyOf = ({ name }: BlockedShard, at: number): string => `${name}/${at}`;

  const block = (shard: BlockedShard, at: number): HeldBlock => {
    const key = keyOf(shard, at);
    const known = held.get(key);
    if (known !== undefined) return known;
    const asked: HeldBlock = { bytes: inTurn(() => fetchBlock(shard, at)), isRead: false };
    held.set(key, asked);
    // The reader gets the error; the next request fetches again.
    asked.bytes.catch(() => held.delete(key));
    return asked;
  };

  const forget = (): void => {
    const read = [...held].filter(([, { isRead }]) => isRead);
    for (const [key] of read.slice(0, Math.max(0, read.length - KEPT))) held.delete(key);
  };

  return {
    async read(shard, begin, end) {
      const result = new Uint8Array(end - begin);
      const fill = async (at: number): Promise<void> => {
        const start = at * blockBytes;
        const [from, to] = [Math.max(0, begin - start), Math.min(blockBytes, end - start)];
        const target = result.subarray(start + from - begin, start + to - begin);
        if (!held.has(keyOf(shard, at)) && (await cache?.readPart(shard.blocks[at]!, from, target))) return;
        const known = block(shard, at);
        target.set((await known.bytes).subarray(from, to));
        known.isRead = true;
      };
      const [first, last] = [Math.floor(begin / blockBytes), Math.floor((end - 1) / blockBytes)];
      await Promise.all(Array.from({ length: last - first + 1 }, (_, i) => fill(first + i)));
      forget();
      return result;
    },
  };
}

/** Error for a shard whose block at `begin` differs from its index. */
export function otherBytes(location: string, shard: string, begin: number): MaestroError {
  return new MaestroError(
    'data-invalid',
    `packed data set ${location}: ${shard} does not match its index at byte ${begin}; pack it again, or repair the copy`,
  );
}

/** Retries while a server does not answer; throws a permanent refusal at once. */
async function patiently<T>(patienceMs: number, work: () => Promise<T>): Promise<T> {
  const endMs = Date.now() + patienceMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error) || Date.now() + pauseMs > endMs) throw error;
      await delay(pauseMs);
    }
  }
}
