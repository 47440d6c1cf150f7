import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { ObjectDigest, StoredFile } from '@maestro/storage';

/**
 * Bytes hashed or written at a time. SHA-256 of 1 MiB takes 0.8 ms (2.5 ms without SHA instructions): the longest time for which the event
 * loop is blocked.
 */
const CHUNK_BYTES = 1 << 20;

/** Size and SHA-256 (lower-case hexadecimal) of a file. */
export type FileDigest = ObjectDigest;

/** Options of {@link writeDurably}. */
export interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called when all bytes are written and the file is about to be flushed to the device. */
  readonly beforeSync?: () => void | Promise<void>;
}

/**
 * Writes a new file from views, one chunk at a time and without copying, and resolves when it is on the device. While the system writes a
 * chunk, this thread hashes it. The views must not change until the promise settles.
 */
export async function writeDurably(path: string, parts: Iterable<Uint8Array>, { signal, beforeSync }: WriteOptions): Promise<FileDigest> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const file = await open(path, 'wx');
  try {
    for (const chunk of chunked(parts)) {
      signal?.throwIfAborted();
      const written = writeFully(file, chunk);
      hash.update(chunk);
      await written;
      sizeBytes += chunk.length;
    }
    await beforeSync?.();
    await file.sync();
  } finally {
    await file.close();
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}

/** Makes the names in a folder durable: a rename or a new file is on the device only once its folder is. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Adds bytes in memory to a hash, yielding to the event loop after each chunk. */
export async function hashBytes(hash: Hash, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
  for (const chunk of chunked([bytes])) {
    signal?.throwIfAborted();
    hash.update(chunk);
    if (chunk.length === CHUNK_BYTES) await setImmediate();
  }
}

/**
 * Reads bytes `begin..end` of a file into `target` when given, otherwise through a reused buffer, and adds them to `hash`.
 *
 * @returns the number of bytes read: fewer than requested when the file ends early
 */
export async function readRange(
  file: StoredFile,
  {
    begin,
    end,
    target,
    hash,
    signal,
  }: { begin: number; end: number; target?: Uint8Array | undefined; hash: Hash; signal?: AbortSignal | undefined },
): Promise<number> {
  const scratch = target === undefined ? new Uint8Array(Math.min(CHUNK_BYTES, end - begin)) : undefined;
  let at = begin;
  while (at < end) {
    signal?.throwIfAborted();
    const length = Math.min(CHUNK_BYTES, end - at);
    const chunk = scratch?.subarray(0, length) ?? target!.subarray(at - begin, at - begin + length);
    const bytesRead = await file.read(chunk, at, signal);
    if (bytesRead === 0) break;
    hash.update(chunk.subarray(0, bytesRead));
    at += bytesRead;
  }
  return at - begin;
}

/** Computes size and SHA-256 of an open file. */
export async function digestFile(file: StoredFile, signal?: AbortSignal): Promise<FileDigest> {
  const hash = createHash('sha256');
  const read = await readRange(file, { begin: 0, end: file.sizeBytes, hash, signal });
  return { sizeBytes: read, sha256: hash.digest('hex') };
}

function* chunked(parts: Iterable<Uint8Array>): Iterable<Uint8Array> {
  for (const part of parts) {
    for (let at = 0; at < part.length; at += CHUNK_BYTES) yield part.subarray(at, at + CHUNK_BYTES);
  }
}

async function writeFully(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at, chunk.length - at)).bytesWritten;
}
