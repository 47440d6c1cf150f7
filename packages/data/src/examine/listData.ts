import type { Dirent } from 'node:fs';
import { open, opendir, readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { constants, gunzipSync } from 'node:zlib';
import { type DataSpec, errorMessage, MaestroError } from '@maestro/protocol';
import { findIdxImages, parseIdxHeader } from '../formats/idx.ts';
import { SYSTEM_FOLDERS } from '../formats/listImages.ts';
import { INDEX_FILE, parsePackIndex } from '../formats/packIndex.ts';
import { IMAGE_EXTENSIONS } from '../images/imageCodec.ts';

/** Number of folder entries read together. */
const READ_ENTRIES = 256;
/** A larger index is not parsed just to count its samples. */
const MOST_INDEX_BYTES = 32 * 2 ** 20;
/** Bytes read from an IDX file: enough for its header, even when gzipped. */
const FIRST_BYTES = 4096;
const IDX_HEADER_BYTES = 16;

/** Number of samples found by a listing; or the reason why only workers can count them, which is not an error. */
export type SampleCount =
  | { readonly samples: number; readonly isAll: boolean; readonly classes?: ReadonlyMap<string, number> }
  | { readonly uncounted: string };

/** Limits of a listing. */
export interface ListingLimits {
  /** Stops at this time, with the samples found so far. */
  readonly endMs: number;
  /** Stops after finding this many samples. Default: all. */
  readonly enough?: number;
}

/** Detects the format of a folder's content; undefined when it is unknown. @throws Error when the folder cannot be listed. */
export async function formatOfFolder(path: string): Promise<DataSpec['format'] | undefined> {
  const names: string[] = await readdir(path);
  const hasShards = names.some(isShardName);
  if (names.includes(INDEX_FILE) && (hasShards || names.length === 1)) return 'webdataset';
  if ((await findSplit(path)) !== undefined) return 'idx';
  for (const folder of [path, ...names.slice(0, READ_ENTRIES).map((name) => join(path, name))]) {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    if (entries.some((entry) => !entry.name.startsWith('.') && isImage(entry))) return 'image-folder';
  }
  // An archive next to image folders is their original download.
  return hasShards ? 'webdataset' : undefined;
}

/** Returns the split that an IDX folder has; training takes precedence. */
export async function findSplit(path: string): Promise<'train' | 'test' | undefined> {
  for (const split of ['train', 'test'] as const) if ((await findIdxImages(path, split)) !== undefined) return split;
  return undefined;
}

/**
 * Counts the images of a folder and its sub-folders by file name; `classes` are its sub-folders.
 *
 * @throws MaestroError `not-found` for a folder that cannot be listed.
 */
export async function countImages(
  root: string,
  { endMs, enough = Number.POSITIVE_INFINITY }: ListingLimits,
): Promise<Extract<SampleCount, { readonly samples: number }>> {
  const classes = new Map<string, number>();
  let samples = 0;
  for (const pending = [{ folder: root, first: '' }]; pending.length > 0; ) {
    const { folder, first } = pending.pop()!;
    try {
      for await (const entry of await opendir(folder, { bufferSize: READ_ENTRIES })) {
        if (entry.name.startsWith('.')) continue;
        if (entry.isDirectory()) {
          if (!SYSTEM_FOLDERS.has(entry.name)) pending.push({ folder: join(folder, entry.name), first: first || entry.name });
        } else if (isImage(entry)) {
          samples++;
          if (first !== '') classes.set(first, (classes.get(first) ?? 0) + 1);
          if (samples >= enough) return { samples, isAll: false, classes };
        }
      }
    } catch (cause) {
      const why = `${folder} cannot be listed: check its permissions (${errorMessage(cause)})`;
      throw new MaestroError('not-found', why, { cause });
    }
    if (Date.now() > endMs && pending.length > 0) return { samples, isAll: false, classes };
  }
  return { samples, isAll: true, classes };
}

/**
 * Reads the number of samples of an IDX set from the header of its image file, plain or gzipped. @throws MaestroError `data-invalid`; Error
 * when it cannot be read.
 */
export async function countIdx(file: string): Promise<SampleCount> {
  const handle = await open(file, 'r');
  try {
    const start = Buffer.alloc(FIRST_BYTES);
    const { bytesRead } = await handle.read(start, 0, FIRST_BYTES, 0);
    const bytes = start.subarray(0, bytesRead);
    const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const header = isPacked ? unpackStart(bytes, file) : bytes;
    return { samples: parseIdxHeader(header.subarray(0, IDX_HEADER_BYTES), 3, file)[0]!, isAll: true };
  } finally {
    await handle.close();
  }
}

/**
 * Reads the number of samples of packed data from its index, at `path` or in the folder `path`; undefined when there is neither an index
 * nor an archive.
 *
 * @throws MaestroError `data-invalid` for an invalid index.
 */
export async function countPacked(path: string): Promise<SampleCount | undefined> {
  const isFolder = (await stat(path)).isDirectory();
  const index = isFolder ? join(path, INDEX_FILE) : path;
  const found = await stat(index).catch(() => undefined);
  if (found === undefined) {
    const hasShards = (await readdir(path)).some(isShardName);
    return hasShards ? { uncounted: `the shards of ${path} have no index; workers make one when the job starts` } : undefined;
  }
  if (found.size > MOST_INDEX_BYTES) return { uncounted: `the index of ${path} is large; workers read it when the job starts` };
  return { samples: parsePackIndex(await readFile(index), path).names.length, isAll: true };
}

/** Message for a folder without images. */
export const noImage = (path: string): string => `no image in ${path}; expected files ending in ${IMAGE_EXTENSIONS.join(' ')}`;

const isImage = (entry: Dirent): boolean =>
  (entry.isFile() || entry.isSymbolicLink()) && IMAGE_EXTENSIONS.includes(extname(entry.name).toLowerCase());

const isShardName = (name: string): boolean => /^[^.].*\.tar$/.test(name);

/** Decompresses the first bytes of a gzip file. */
function unpackStart(packed: Uint8Array, file: string): Uint8Array {
  try {
    return gunzipSync(packed, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (cause) {
    throw new MaestroError('data-invalid', `IDX file ${file}: cannot be unpacked (${errorMessage(cause)})`, { cause });
  }
}
