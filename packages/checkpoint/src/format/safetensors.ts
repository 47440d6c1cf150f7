import { createHash } from 'node:crypto';
import { MaestroError } from '@maestro/protocol';
import type { StoredFile } from '@maestro/storage';
import { elementCount } from '@maestro/tensors';
import { type FileDigest, readRange, type WriteOptions, writeDurably } from './fileDigest.ts';
import { openPart } from './openPart.ts';
import {
  encodeHeader,
  LENGTH_BYTES,
  parseHeader,
  parseHeaderLength,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensorsHeader.ts';
import { bytesOf, type NamedTensor, sortedTensors, valueBytes } from './tensor.ts';

/** Result of {@link readSafetensors}: the tensors in name order, and the digest of the bytes that were read. */
export interface SafetensorsContent extends FileDigest {
  readonly tensors: readonly NamedTensor[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Returns a safetensors file as parts that are views of the tensors' own memory, in name order. Equal tensors and metadata give equal
 * bytes, in whatever order they come.
 */
export function safetensorsParts(tensors: readonly NamedTensor[], metadata: Readonly<Record<string, string>> = {}): Uint8Array[] {
  const sorted = sortedTensors(tensors);
  return [encodeHeader(sorted, metadata), ...sorted.map(valueBytes)];
}

/**
 * Writes tensors to a new file (`path` must not exist) straight from their memory, which must not change meanwhile. Resolves when it is on
 * the device.
 *
 * @returns the file's size and SHA-256
 */
export function writeSafetensors(
  path: string,
  tensors: readonly NamedTensor[],
  { metadata = {}, ...options }: WriteOptions & { readonly metadata?: Readonly<Record<string, string>> } = {},
): Promise<FileDigest> {
  return writeDurably(path, safetensorsParts(tensors, metadata), options);
}

/**
 * Reads a file of F32 tensors from a folder or an object store.
 *
 * @param target returns the memory to read a tensor into, with as many elements; default: a new array
 * @throws MaestroError `checkpoint-invalid` for a file that is broken or holds another dtype
 */
export async function readSafetensors(
  path: string,
  { target = allocate, signal }: { readonly target?: (entry: TensorEntry) => Float32Array; readonly signal?: AbortSignal | undefined } = {},
): Promise<SafetensorsContent> {
  const file = await openPart(path, signal);
  try {
    const { header, headBytes } = await readHeader(file);
    const hash = createHash('sha256').update(headBytes);
    const tensors: NamedTensor[] = [];
    for (const entry of header.entries) {
      const data = target(requireF32(entry));
      const read = await readRange(file, { ...entry, target: bytesOf(data), hash, signal });
      if (read !== entry.end - entry.begin) throw new MaestroError('checkpoint-invalid', `the file ends inside tensor ${entry.name}`);
      tensors.push({ name: entry.name, shape: entry.shape, data });
    }
    return { tensors: sortedTensors(tensors), metadata: header.metadata, sizeBytes: file.sizeBytes, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}

/**
 * Reads and validates the head of an open safetensors file.
 *
 * @throws MaestroError `checkpoint-invalid`
 */
export async function readHeader(file: StoredFile): Promise<{ header: SafetensorsHeader; headBytes: Uint8Array }> {
  const first = new Uint8Array(LENGTH_BYTES);
  const bytesRead = await file.read(first, 0);
  const length = parseHeaderLength(first.subarray(0, bytesRead), file.sizeBytes);
  const headBytes = new Uint8Array(LENGTH_BYTES + length);
  await file.read(headBytes, 0);
  return { header: parseHeader(headBytes.subarray(LENGTH_BYTES), file.sizeBytes), headBytes };
}

/** Returns the entry if it is F32, and throws otherwise. */
export function requireF32(entry: TensorEntry): TensorEntry {
  if (entry.dtype !== 'F32') throw new MaestroError('checkpoint-invalid', `tensor ${entry.name} is ${entry.dtype}, expected F32`);
  return entry;
}

function allocate({ shape }: TensorEntry): Float32Array {
  return new Float32Array(elementCount(shape));
}
