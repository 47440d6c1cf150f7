import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { requireSpace } from '@maestro/checkpoint';
import { type ElementRange, MaestroError } from '@maestro/protocol';

/** Elements written, and checked, at a time: 1 MiB. */
export const PIECE_FLOATS = 1 << 18;
const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT;

/**
 * Elements `first .. first + length - 1` of vector 0 (parameters), 1 (first moments) or 2 (second moments, of optimisers that have them).
 */
export interface VectorRange extends ElementRange {
  readonly vector: number;
}

/** A part of a training state in a file: the same elements of its vectors. */
export interface PartFile extends ElementRange {
  readonly sizeBytes: number;
  /** Descriptor of the open file, for tests that damage it. */
  readonly fd: number;
  /** Writes one piece of {@link piecesOf}. */
  write(piece: VectorRange, values: Float32Array): Promise<void>;
  /** Reads written elements. @throws MaestroError `checkpoint-invalid` when a byte of them has changed. */
  read(range: VectorRange, values: Float32Array): Promise<void>;
  /** Frees its space. */
  close(): Promise<void>;
}

/** The pieces that a part of so many vectors is written in, in the order of the file. */
export function piecesOf({ first, length }: ElementRange, vectors: number): VectorRange[] {
  return Array.from({ length: vectors }, (_, vector) => vector).flatMap((vector) =>
    Array.from({ length: Math.ceil(length / PIECE_FLOATS) }, (_, piece) => {
      const at = piece * PIECE_FLOATS;
      return { vector, first: first + at, length: Math.min(PIECE_FLOATS, length - at) };
    }),
  );
}

/**
 * Opens a file for a part of so many vectors in a folder, which is made when it is missing. The file has no name any more when this
 * returns: nobody but this process can use it, and the system frees its space when the process ends, even by SIGKILL. So there is nothing
 * to clean up, several workers can share a folder, and nothing is flushed to the device: the page cache is there as long as the process is.
 *
 * @throws MaestroError `storage` when there is no room, or the file system's error.
 */
export async function createPartFile(dir: string, range: ElementRange, vectors: number): Promise<PartFile> {
  const sizeBytes = vectors * range.length * FLOAT_BYTES;
  await mkdir(dir, { recursive: true });
  await requireSpace(dir, sizeBytes, `snapshot in ${dir}`);
  const path = join(dir, `.snapshot-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  try {
    await rm(path);
  } catch (error) {
    await file.close();
    throw error;
  }
  return openPart(file, range, sizeBytes);
}

function openPart(file: FileHandle, { first, length }: ElementRange, sizeBytes: number): PartFile {
  const piecesPerVector = Math.ceil(length / PIECE_FLOATS);
  const checksums = new Map<number, number>();
  const byteOf = (range: VectorRange): number => (range.vector * length + range.first - first) * FLOAT_BYTES;

  /** Reads a whole piece and checks it. */
  const readPiece = async (vector: number, piece: number, scratch: Uint8Array): Promise<Uint8Array> => {
    const from = piece * PIECE_FLOATS;
    const count = Math.min(PIECE_FLOATS, length - from);
    const bytes = scratch.subarray(0, count * FLOAT_BYTES);
    const at = byteOf({ vector, first: first + from, length: count });
    let done = 0;
    for (let read = -1; done < bytes.length && read !== 0; done += read) {
      read = (await file.read(bytes, done, bytes.length - done, at + done)).bytesRead;
    }
    if (done < bytes.length || crc32(bytes) !== checksums.get(vector * piecesPerVector + piece)) {
      throw new MaestroError('checkpoint-invalid', `snapshot: elements from ${first + from} on of vector ${vector} are damaged on disk`);
    }
    return bytes;
  };

  return {
    first,
    length,
    sizeBytes,
    fd: file.fd,
    async write(piece, values) {
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      checksums.set(piece.vector * piecesPerVector + (piece.first - first) / PIECE_FLOATS, crc32(bytes));
      const at = byteOf(piece);
      for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
    },
    async read(range, values) {
      const target = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      const scratch = new Uint8Array(PIECE_FLOATS * FLOAT_BYTES);
      const begin = range.first - first;
      const end = begin + range.length;
      for (let piece = Math.floor(begin / PIECE_FLOATS); piece * PIECE_FLOATS < end; piece++) {
        const bytes = await readPiece(range.vector, piece, scratch);
        const at = piece * PIECE_FLOATS;
        const from = Math.max(begin, at);
        const until = Math.min(end, at + bytes.length / FLOAT_BYTES);
        target.set(bytes.subarray((from - at) * FLOAT_BYTES, (until - at) * FLOAT_BYTES), (from - begin) * FLOAT_BYTES);
      }
    },
    close: () => file.close(),
  };
}
