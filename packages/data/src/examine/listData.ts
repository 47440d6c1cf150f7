import type { Dirent } from 'node:fs';
import { open, opendir, readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { constants, gunzipSync } from 'node:zlib';
import { type DataSpec, errorMessage, MaestroError } from '@maestro/protocol';
import { findIdxImages, parseIdxHeader } from '../formats/idx.ts';
import { SYSTEM_FOLDERS } from '../formats/listImages.ts';
import { INDEX_FILE, parsePackIndex } from '../formats/packIndex.ts';
import { IMAGE_EXTENSIONS } from '../images/imageCodec.ts';

/** Entries of a folder that are read together. */
const READ_ENTRIES = 256;
/** A larger index is not parsed only to count its samples. */
const MOST_INDEX_BYTES = 32 * 2 ** 20;
/** Of an IDX file: enough to have its header, also packed. */
const FIRST_BYTES = 4096;
const IDX_HEADER_BYTES = 16;

/** Samples that a listing counts; or why only workers can count them, which is no fault. */
export type SampleCount =
  | { readonly samples: number; readonly isAll: boolean; readonly classes?: ReadonlyMap<string, number> }
  | { readonly uncounted: string };

/** How far a listing goes. */
export interface ListingLimits {
  /** It ends after this time, with what was found until then. */
  readonly endMs: number;
  /** It ends when so many samples were found. Default: all. */
  readonly enough?: number;
}

/** The format of what a folder holds; undefined when it holds nothing that is known. @throws Error when the folder cannot be listed. */
export async function formatOfFolder(path: string): Promise<DataSpec['format'] | undefined> {
  const names: string[] = await readdir(path);
  const hasShards = names.some(isShardName);
  if (names.includes(INDEX_FILE) && (hasShards || names.length === 1)) return 'webdataset';
  if ((await findSplit(path)) !== undefined) return 'idx';
  for (const folder of [path, ...names.slice(0, READ_ENTRIES).map((name) => join(path, name))]) {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    if (entries.some((entry) => !entry.name.startsWith('.') && isImage(entry))) return 'image-folder';
  }
  // An archive beside a folder of images is what they came in.
  return hasShards ? 'webdataset' : undefined;
}

/** The split that an IDX folder has, training first. */
export async function findSplit(path: string): Promise<'train' | 'test' | undefined> {
  for (const split of ['train', 'test'] as const) if ((await findIdxImages(path, split)) !== undefined) return split;
  return undefined;
}

/**
 * Counts the images of a folder and its sub-folders by their names; `classes` are those of its sub-folders.
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
 * The samples of an IDX set by the header of its images, plain or packed. @throws MaestroError `data-invalid`; Error when it cannot be
 * read.
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
 * The samples of packed data by its index, `path` or in the folder `path`; undefined where there is neither an index nor an archive.
 *
 * @throws MaestroError `data-invalid` for a wrong index.
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

/** That a folder has no image. */
export const noImage = (path: string): string => `no image in ${path}; files ending in ${IMAGE_EXTENSIONS.join(' ')} are looked for`;

const isImage = (entry: Dirent): boolean =>
  (entry.isFile() || entry.isSymbolicLink()) && IMAGE_EXTENSIONS.includes(extname(entry.name).toLowerCase());

const isShardName = (name: string): boolean => /^[^.].*\.tar$/.test(name);

/** What the first bytes of a gzip file hold. */
function unpackStart(packed: Uint8Array, file: string): Uint8Array {
  try {
    return gunzipSync(packed, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (cause) {
    throw new MaestroError('data-invalid', `IDX file ${file}: it cannot be unpacked (${errorMessage(cause)})`, { cause });
  }
}
