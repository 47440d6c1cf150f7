import { MaestroError } from '@maestro/protocol';
import { inFileTime, READ_TIMEOUT_MS, type Storage } from '@maestro/storage';
import { hashOf } from './blockCache.ts';
import { type BlockedShard, otherBytes } from './blockReader.ts';
import { openShardFiles } from './shardFiles.ts';

/**
 * Creates the table of modification times at which each block, over all shards in order, was verified against the index; 0 when it was not
 * read yet. In shared memory: each block is hashed once for all threads.
 */
export function blockChecks(shards: readonly BlockedShard[]): Float64Array {
  const blocks = shards.reduce((sum, shard) => sum + shard.blocks.length, 0);
  return new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT * blocks));
}

/**
 * Opens a reader of bytes `begin..end` of the shard at `at`, in a folder. It never returns bytes that differ from the index: blocks are
 * hashed on the first read of any part of them, and again when their file has changed since.
 */
export function openLocalShards({
  folder,
  shards,
  blockBytes,
  checks,
}: {
  readonly folder: Storage;
  readonly shards: readonly BlockedShard[];
  readonly blockBytes: number;
  /** The table of {@link blockChecks}. */
  readonly checks: Float64Array;
}): (at: number, begin: number, end: number) => Promise<Uint8Array> {
  const files = openShardFiles(folder);
  const firstBlocks: number[] = [];
  let blocks = 0;
  for (const shard of shards) {
    firstBlocks.push(blocks);
    blocks += shard.blocks.length;
  }

  /** Hashes the blocks from `first` to `last` and returns a part of them. */
  const checked = async (at: number, [first, last]: readonly [number, number], begin: number, end: number): Promise<Uint8Array> => {
    const { name, sizeBytes, blocks } = shards[at]!;
    const range = { begin: first * blockBytes, end: Math.min(sizeBytes, (last + 1) * blockBytes) };
    const { bytes, changedMs, isSteady } = await files(name, range, { isWatched: true });
    for (let block = first; block <= last; block++) {
      const start = (block - first) * blockBytes;
      if (hashOf(bytes.subarray(start, start + blockBytes)) !== blocks[block]) throw otherBytes(folder.location, name, block * blockBytes);
    }
    // The hashed bytes are right, whatever the file holds by now; later reads are trusted only if nobody wrote meanwhile.
    if (isSteady) checks.fill(changedMs, firstBlocks[at]! + first, firstBlocks[at]! + last + 1);
    return bytes.slice(begin - range.begin, end - range.begin);
  };

  const read = async (at: number, begin: number, end: number): Promise<Uint8Array> => {
    const [first, last] = [Math.floor(begin / blockBytes), Math.floor((end - 1) / blockBytes)];
    const known = checks.subarray(firstBlocks[at]! + first, firstBlocks[at]! + last + 1);
    if (known.every((changedMs) => changedMs > 0)) {
      const { bytes, changedMs } = await files(shards[at]!.name, { begin, end });
      if (known.every((checkedMs) => checkedMs === changedMs)) return bytes;
    }
    return checked(at, [first, last], begin, end);
  };

  return async (at, begin, end) => {
    if (end <= begin) return new Uint8Array();
    try {
      return await inFileTime(read(at, begin, end), `packed data set: ${shards[at]!.name}`, { timeoutMs: READ_TIMEOUT_MS });
    } catch (cause) {
      // Not a broken image: other workers may read it correctly.
      const { message } = cause as Error;
      throw new MaestroError('data-invalid', message.startsWith('packed data set') ? message : `packed data set: ${message}`, { cause });
    }
  };
}
