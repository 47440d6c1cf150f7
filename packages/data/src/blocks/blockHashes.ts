import { createHash } from 'node:crypto';

/** Size of a block: the unit in which parts of a shard are verified, fetched and cached. */
export const BLOCK_BYTES = 256 * 1024;

/** Computes the SHA-256 of each {@link BLOCK_BYTES} of the added bytes, in order. */
export function blockHashes(): { add(part: Uint8Array): void; end(): string[] } {
  const hashes: string[] = [];
  let hash = createHash('sha256');
  let left = BLOCK_BYTES;
  return {
    add(part) {
      for (let at = 0; at < part.length; ) {
        const taken = part.subarray(at, at + left);
        hash.update(taken);
        at += taken.length;
        left -= taken.length;
        if (left > 0) continue;
        hashes.push(hash.digest('hex'));
        hash = createHash('sha256');
        left = BLOCK_BYTES;
      }
    },
    end() {
      if (left < BLOCK_BYTES) hashes.push(hash.digest('hex'));
      return hashes;
    },
  };
}
