import type { Dirent } from 'node:fs';
import { open, opendir, readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { type DataSpec, errorMessage, homeRelativeAdvice, isHomeRelative, isMaestroError, MaestroError, nearest } from '@maestro/protocol';
import { isUrl } from '@maestro/storage';
import { findIdxImages, parseIdxHeader } from './idx.ts';
import { IMAGE_EXTENSIONS } from './imageCodec.ts';
import { INDEX_FILE, parsePackIndex } from './packIndex.ts';

/** What a look at a job's data finds, without opening it. */
export type DataExamination =
  /** So many samples at least; `isAll`: there are no more. */
  | { readonly kind: 'seen'; readonly samples: number; readonly isAll: boolean }
  /** It could not be looked at from here: it is on a server, or did not answer in time. */
  | { readonly kind: 'unseen'; readonly reason: string }
  /** There is nothing at this place, as seen from this machine; another one may have something there. */
  | { readonly kind: 'absent'; readonly reason: string }
  /** What is there is no such data set. */
  | { readonly kind: 'wrong'; readonly reason: string };

/** Where data lies, of whichever part of a job file. */
export interface DataPlace {
  readonly format: DataSpec['format'];
  readonly path: string;
  /** Of an IDX folder. Default: train. */
  readonly split?: 'train' | 'test' | undefined;
}

/** How far to look. */
export interface ExamineDataOptions {
  /** Stops when so many samples were found. Default: all. */
  readonly enough?: number;
  /** Stops after this time, with what was found until then. Default: 3 s. */
  readonly deadlineMs?: number;
}

const DEADLINE_MS = 3000;
/** Entries of a folder that are read together. */
const READ_ENTRIES = 256;
/** A larger index is not parsed only to count its samples. */
const MOST_INDEX_BYTES = 32 * 2 ** 20;
const IDX_NAME = /-images[-.]idx3-ubyte(\.gz)?$/;

/**
 * Looks whether a job's data is there and counts its samples. It lists names and reads headers; no image is decoded. It never throws, and never
 * takes much longer than the deadline, whatever the file system does.
 */
export async function examineData(
  spec: DataPlace,
  { enough = Number.POSITIVE_INFINITY, deadlineMs = DEADLINE_MS }: ExamineDataOptions = {},
): Promise<DataExamination> {
  if (isUrl(spec.path)) return { kind: 'unseen', reason: `${spec.path} is on a server; workers read it` };
  if (isHomeRelative(spec.path)) return { kind: 'wrong', reason: homeRelativeAdvice(spec.path) };
  const found: Found = { samples: 0, endMs: Date.now() + deadlineMs, enough };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<DataExamination>((resolve) => {
    timer = setTimeout(resolve, deadlineMs, { kind: 'unseen', reason: `${spec.path} did not answer within ${deadlineMs / 1000} s` });
  });
  try {
    return await Promise.race([look(spec, found), late]);
  } catch (error) {
    if (isMaestroError(error, 'not-found')) return { kind: 'absent', reason: errorMessage(error) };
    if (isMaestroError(error)) return { kind: 'wrong', reason: errorMessage(error) };
    return { kind: 'absent', reason: `${spec.path} cannot be read (${errorMessage(error)})` };
  } finally {
    clearTimeout(timer);
  }
}

interface Found {
  samples: number;
  readonly endMs: number;
  readonly enough: number;
}

async function look(spec: DataPlace, found: Found): Promise<DataExamination> {
  const { path, split = 'train' } = spec;
  const there = await stat(path).catch((error: unknown) => missing(path, error));
  const isFolder = there.isDirectory();
  // A pipe or a device could keep whoever opens it for ever.
  if (!isFolder && !there.isFile()) throw new MaestroError('data-invalid', `${path} is neither a folder nor a file`);
  switch (spec.format) {
    case 'image-folder':
      if (!isFolder) throw new MaestroError('data-invalid', `${path} is a file; name the folder that it is in`);
      return countImages(path, found);
    case 'idx':
      if (isFolder && (await findIdxImages(path, split)) === undefined) throw await otherFormat(spec);
      return { kind: 'seen', samples: await countIdx(path, split), isAll: true };
    case 'webdataset': {
      if (!isFolder && !path.endsWith('.json')) throw new MaestroError('data-invalid', `${path} is a file; name the folder that it is in`);
      const index = isFolder ? join(path, INDEX_FILE) : path;
      const size = await stat(index).catch(() => undefined);
      if (size === undefined) throw await otherFormat(spec);
      if (size.size > MOST_INDEX_BYTES) return { kind: 'unseen', reason: `the index of ${path} is large; workers read it` };
      return { kind: 'seen', samples: parsePackIndex(await readFile(index), path).names.length, isAll: true };
    }
  }
}

/** Whatever names the folder that does not exist, and one that was meant. */
async function missing(path: string, error: unknown): Promise<never> {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOTDIR') throw new MaestroError('data-invalid', `${path} leads through a file`);
  if (code !== 'ENOENT') throw error;
  let there = dirname(path);
  let next = basename(path);
  for (; dirname(there) !== there && (await stat(there).catch(() => undefined)) === undefined; there = dirname(there))
    next = basename(there);
  // Of a short name too many others are near.
  const near = next.length < 5 ? undefined : nearest(next, await readdir(there).catch(() => []));
  const hint = near === undefined ? '' : `; did you mean ${join(there, near)}?`;
  const where = isAbsolute(path) ? '' : ` in ${process.cwd()}; write the whole path`;
  throw new MaestroError('not-found', `there is nothing at ${path}${where}${hint}`);
}

/** Counts the images of a folder and its sub-folders, by their names. */
async function countImages(root: string, found: Found): Promise<DataExamination> {
  for (const pending = [root]; pending.length > 0; ) {
    const folder = pending.pop()!;
    for await (const entry of await opendir(folder, { bufferSize: READ_ENTRIES })) {
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory()) pending.push(join(folder, entry.name));
      else if (isImage(entry)) found.samples++;
      if (found.samples >= found.enough) return { kind: 'seen', samples: found.samples, isAll: false };
    }
    if (Date.now() > found.endMs && found.samples > 0) return { kind: 'seen', samples: found.samples, isAll: false };
  }
  if (found.samples === 0) throw await otherFormat({ format: 'image-folder', path: root });
  return { kind: 'seen', samples: found.samples, isAll: true };
}

const isImage = (entry: Dirent): boolean =>
  (entry.isFile() || entry.isSymbolicLink()) && IMAGE_EXTENSIONS.includes(extname(entry.name).toLowerCase());

async function countIdx(path: string, split: 'train' | 'test'): Promise<number> {
  const file = (await findIdxImages(path, split))!;
  const headerBytes = 16;
  const handle = await open(file, 'r');
  try {
    const first = Buffer.alloc(64 * 1024);
    const { bytesRead } = await handle.read(first, 0, first.length, 0);
    const start = first.subarray(0, bytesRead);
    const header = start[0] === 0x1f && start[1] === 0x8b ? await unpackedStart(start, headerBytes) : start.subarray(0, headerBytes);
    return parseIdxHeader(header, 3, file)[0]!;
  } finally {
    await handle.close();
  }
}

/** The first bytes of what a gzip file holds; fewer when it holds fewer, or is no gzip file. */
async function unpackedStart(packed: Uint8Array, length: number): Promise<Uint8Array> {
  const unpacked = createGunzip();
  unpacked.end(packed);
  const parts: Buffer[] = [];
  try {
    for await (const part of unpacked) {
      parts.push(part as Buffer);
      if (parts.reduce((sum, each) => sum + each.length, 0) >= length) break;
    }
  } catch {
    // A file that goes on behind what was read ends too early here.
  }
  return Buffer.concat(parts).subarray(0, length);
}

/** That a folder holds nothing of the job's format, with the format that it does hold. */
async function otherFormat({ format, path, split = 'train' }: DataPlace): Promise<MaestroError> {
  const wanted = {
    'image-folder': `no image in ${path}; files ending in ${IMAGE_EXTENSIONS.join(' ')} are looked for`,
    idx: `no ${split === 'test' ? 't10k' : 'train'}-images-idx3-ubyte or .gz in ${path}`,
    webdataset: `no ${INDEX_FILE} in ${path}; \`maestro dataset pack\` writes one`,
  }[format];
  const holds = await formatOfFolder(path);
  const hint = holds === undefined || holds === format ? '' : `; it looks like format: ${holds}`;
  return new MaestroError(hint === '' ? 'not-found' : 'data-invalid', `${wanted}${hint}`);
}

/** The format of what a folder holds; undefined when it holds nothing that is known. */
export async function formatOfFolder(path: string): Promise<DataSpec['format'] | undefined> {
  const names: string[] = await readdir(path).catch(() => []);
  if (names.includes(INDEX_FILE)) return 'webdataset';
  if (names.some((name) => IDX_NAME.test(name))) return 'idx';
  for (const folder of [path, ...names.slice(0, READ_ENTRIES).map((name) => join(path, name))]) {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    if (entries.some((entry) => !entry.name.startsWith('.') && isImage(entry))) return 'image-folder';
  }
  return undefined;
}
