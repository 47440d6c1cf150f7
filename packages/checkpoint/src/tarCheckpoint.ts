import { constants } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { MaestroError } from '@maestro/protocol';
import { MANIFEST_FILE, parseManifest } from './manifest.ts';

const BLOCK = 512;
const CHUNK_BYTES = 256 * 1024;
/** The most that eleven octal digits say; beyond, GNU's base 256 is written. */
const MOST_OCTAL = 8 ** 11 - 1;

/** A checkpoint as a tar archive. */
export interface CheckpointTar {
  readonly sizeBytes: number;
  /** The archive's bytes, read as they are taken; closes the files at its end, also when it is given up. */
  readonly bytes: AsyncGenerator<Buffer>;
  /** Closes the files where the bytes were never begun. */
  close(): Promise<unknown>;
}

/**
 * Packs a checkpoint into a tar archive (ustar) with the folder's name in it. All files are opened before this resolves, so that a checkpoint that
 * retention removes meanwhile is still sent whole. Links are not followed.
 *
 * @throws MaestroError `not-found` when there is no such checkpoint, `checkpoint-invalid` when a file is missing or has another size
 */
export async function tarCheckpoint(dir: string): Promise<CheckpointTar> {
  const manifestBytes = await readFile(join(dir, MANIFEST_FILE)).catch((cause: NodeJS.ErrnoException) => {
    throw new MaestroError('not-found', `checkpoint ${dir}: cannot read its manifest: ${cause.code}`, { cause });
  });
  const files = Object.entries(parseManifest(manifestBytes).files).map(([name, { sizeBytes }]) => [name, sizeBytes] as const);
  const entries: Entry[] = [];
  try {
    for (const [name, size] of [...files, [MANIFEST_FILE, manifestBytes.length] as const]) {
      const file = await open(join(dir, name), constants.O_RDONLY | constants.O_NOFOLLOW);
      entries.push({ name, size, file });
      const { size: found, mtime } = await file.stat();
      if (found !== size)
        throw new MaestroError('checkpoint-invalid', `checkpoint ${dir}: ${name} has ${found} bytes, the manifest says ${size}`);
      entries[entries.length - 1] = { name, size, file, mtime };
    }
  } catch (error) {
    await closeAll(entries);
    if (error instanceof MaestroError) throw error;
    throw new MaestroError('checkpoint-invalid', `checkpoint ${dir}: ${(error as Error).message}`, { cause: error });
  }
  const sizeBytes = entries.reduce((sum, { size }) => sum + BLOCK + padded(size), 0) + 2 * BLOCK;
  return { sizeBytes, bytes: pack(basename(dir), entries), close: () => closeAll(entries) };
}

interface Entry {
  readonly name: string;
  readonly size: number;
  readonly file: FileHandle;
  readonly mtime?: Date;
}

const closeAll = (entries: readonly Entry[]): Promise<unknown> => Promise.allSettled(entries.map(({ file }) => file.close()));
const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

async function* pack(folder: string, entries: readonly Entry[]): AsyncGenerator<Buffer> {
  try {
    for (const { name, size, file, mtime } of entries) {
      yield header(`${folder}/${name}`, size, mtime ?? new Date(0));
      for (let offset = 0; offset < size; ) {
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size - offset)), 0, undefined, offset);
        if (bytesRead === 0) throw new MaestroError('storage', `checkpoint ${folder}: ${name} became shorter while it was sent`);
        offset += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
      if (padded(size) > size) yield Buffer.alloc(padded(size) - size);
    }
    yield Buffer.alloc(2 * BLOCK);
  } finally {
    await closeAll(entries);
  }
}

/** A ustar header (POSIX.1-1988): octal fields, and a checksum over the header in which its own field counts as blanks. */
function header(name: string, size: number, mtime: Date): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, offset: number, length: number) =>
    block.write(value.toString(8).padStart(length - 1, '0'), offset, 'latin1');
  block.write(name, 0, 100, 'utf8');
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  if (size <= MOST_OCTAL) octal(size, 124, 12);
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  octal(Math.floor(mtime.getTime() / 1000), 136, 12);
  block.write('        ', 148, 'latin1');
  block.write('0', 156, 'latin1');
  block.write('ustar\u000000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148, 'latin1');
  return block;
}
