import { open, opendir, readdir, readFile, stat } from 'node:fs/promises';
import { extname, isAbsolute, join } from 'node:path';
import { constants, gunzipSync } from 'node:zlib';
import { type DataSpec, errorMessage } from '@maestro/protocol';
import { isUrl } from '@maestro/storage';
import { IMAGE_EXTENSIONS } from './imageCodec.ts';
import { SYSTEM_FOLDERS } from './listImages.ts';
import { INDEX_FILE, parsePackIndex } from './packIndex.ts';

/** What is at a place, for whoever has not said what is to be there. */
export interface DataSurvey {
  readonly path: string;
  /** Absent when nothing that is known was found. */
  readonly format?: DataSpec['format'];
  /** Absent when they could not be counted from here. */
  readonly samples?: number;
  /** Whether `samples` are all there are; else there are more. */
  readonly isAll: boolean;
  /** Of an image folder: its sub-folders with images, in order; at most {@link MOST_CLASSES}. */
  readonly classes: readonly { readonly name: string; readonly samples: number }[];
  /** How many classes there are. */
  readonly classCount: number;
  /** Why a job could not train on it, in words. */
  readonly problem?: string;
  /** Why it could not be looked at, though it may be fine. */
  readonly note?: string;
}

const DEADLINE_MS = 3000;
const MOST_CLASSES = 20;
const READ_ENTRIES = 256;
/** A larger index is not parsed only to count its samples. */
const MOST_INDEX_BYTES = 32 * 2 ** 20;
/** Enough to have a header, also of a packed file. */
const FIRST_BYTES = 4096;
const IDX_NAME = /-idx3-ubyte(\.gz)?$/;

/**
 * Looks at a path: which format, how many samples, which class folders, or what is wrong with it. It lists names and reads headers; no image is
 * decoded. It never throws, and answers within `deadlineMs` or so whatever the file system does.
 */
export async function surveyData(path: string, { deadlineMs = DEADLINE_MS }: { readonly deadlineMs?: number } = {}): Promise<DataSurvey> {
  const nothing = { path, isAll: false, classes: [], classCount: 0 } as const;
  if (isUrl(path)) return { ...nothing, format: 'webdataset', note: 'it is on a server; workers read it when the job starts' };
  if (!isAbsolute(path)) return { ...nothing, problem: `${path} is no whole path: give one that begins with /` };
  const endMs = Date.now() + deadlineMs;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<DataSurvey>((resolve) => {
    timer = setTimeout(resolve, deadlineMs * 1.5, { ...nothing, note: `it did not answer within ${deadlineMs / 1000} s` });
  });
  try {
    return await Promise.race([look(path, endMs), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function look(path: string, endMs: number): Promise<DataSurvey> {
  const nothing = { path, isAll: false, classes: [], classCount: 0 } as const;
  try {
    const there = await stat(path);
    if (path.endsWith('.json') && there.isFile()) return { ...nothing, format: 'webdataset', ...(await countPacked(path)) };
    if (!there.isDirectory()) return { ...nothing, problem: `${path} is a file; name the folder that it is in` };
    const names = await readdir(path);
    if (names.includes(INDEX_FILE) && (names.length === 1 || names.some((name) => name.endsWith('.tar'))))
      return { ...nothing, format: 'webdataset', ...(await countPacked(join(path, INDEX_FILE))) };
    const idx = names.filter((name) => IDX_NAME.test(name)).sort((first) => (first.startsWith('train') ? -1 : 1))[0];
    if (idx !== undefined) return { ...nothing, format: 'idx', ...(await countIdx(join(path, idx))) };
    const found = await countClasses(path, endMs);
    if (found.problem !== undefined || found.samples !== 0 || !found.isAll) return { path, format: 'image-folder', ...found };
    return { ...nothing, problem: `no image in ${path}; files ending in ${IMAGE_EXTENSIONS.join(' ')} are looked for` };
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return { ...nothing, problem: isMissing ? `there is nothing at ${path}` : errorMessage(error) };
  }
}

type Count = Pick<DataSurvey, 'samples' | 'isAll' | 'problem' | 'note'>;

async function countPacked(index: string): Promise<Count> {
  if ((await stat(index)).size > MOST_INDEX_BYTES) return { isAll: false, note: 'its index is large; workers read it when the job starts' };
  try {
    return { samples: parsePackIndex(await readFile(index), index).names.length, isAll: true };
  } catch (error) {
    return { isAll: false, problem: errorMessage(error) };
  }
}

/** The count of images in the header of an IDX file, plain or packed. */
async function countIdx(path: string): Promise<Count> {
  const file = await open(path, 'r');
  try {
    const start = Buffer.alloc(FIRST_BYTES);
    const { bytesRead } = await file.read(start, 0, FIRST_BYTES, 0);
    const bytes = start.subarray(0, bytesRead);
    const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const header = isPacked ? gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }) : bytes;
    if (header.length < 8 || header.readUInt32BE(0) !== 0x803) return { isAll: false, problem: `${path} is no IDX file of images` };
    return { samples: header.readUInt32BE(4), isAll: true };
  } catch (error) {
    return { isAll: false, problem: `${path} cannot be read (${errorMessage(error)})` };
  } finally {
    await file.close();
  }
}

/** Images below `root` by the first folder of their names, until `endMs`. */
async function countClasses(root: string, endMs: number): Promise<Omit<DataSurvey, 'path' | 'format'>> {
  const counts = new Map<string, number>();
  let samples = 0;
  let isAll = true;
  for (const pending = [{ folder: root, first: '' }]; pending.length > 0; ) {
    const { folder, first } = pending.pop()!;
    try {
      for await (const entry of await opendir(folder, { bufferSize: READ_ENTRIES })) {
        if (entry.name.startsWith('.')) continue;
        if (entry.isDirectory() && SYSTEM_FOLDERS.has(entry.name)) continue;
        if (entry.isDirectory()) pending.push({ folder: join(folder, entry.name), first: first === '' ? entry.name : first });
        else if ((entry.isFile() || entry.isSymbolicLink()) && IMAGE_EXTENSIONS.includes(extname(entry.name).toLowerCase())) {
          samples++;
          if (first !== '') counts.set(first, (counts.get(first) ?? 0) + 1);
        }
      }
    } catch {
      return { samples, isAll: false, classes: [], classCount: 0, problem: `${folder} cannot be listed: check its permissions` };
    }
    if (Date.now() > endMs && pending.length > 0) {
      isAll = false;
      break;
    }
  }
  const classes = [...counts].map(([name, count]) => ({ name, samples: count })).sort((a, b) => (a.name < b.name ? -1 : 1));
  return { samples, isAll, classes: classes.slice(0, MOST_CLASSES), classCount: classes.length };
}
