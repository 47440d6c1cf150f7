import type { StoredFile } from './storage.ts';

/**
 * Wraps a file so that small sequential reads are answered from windows of `windowBytes`: over a network each read costs a round trip.
 * Holds one window in memory.
 */
export function readAhead(file: StoredFile, windowBytes: number): StoredFile {
  let window = new Uint8Array(0);
  let start = 0;
  return {
    ...file,
    async read(target, at, signal) {
      if (at < start || at >= start + window.length) {
        if (target.length >= windowBytes) return file.read(target, at, signal);
        const next = new Uint8Array(Math.max(0, Math.min(windowBytes, file.sizeBytes - at)));
        window = next.subarray(0, await file.read(next, at, signal));
        start = at;
      }
      const found = window.subarray(at - start, at - start + target.length);
      target.set(found);
      return found.length;
    },
  };
}
