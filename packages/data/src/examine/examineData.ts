import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { type DataSpec, errorMessage, homeRelativeAdvice, isHomeRelative, isMaestroError, MaestroError, nearest } from '@maestro/protocol';
import { isUrl } from '@maestro/storage';
import { findIdxImages } from '../formats/idx.ts';
import { INDEX_FILE } from '../formats/packIndex.ts';
import { countIdx, countImages, countPacked, formatOfFolder, type ListingLimits, noImage, type SampleCount } from './listData.ts';

/** Result of a look at a job's data, without opening it. */
export type DataExamination =
  /** At least this many samples; exactly this many when `isAll`. */
  | { readonly kind: 'seen'; readonly samples: number; readonly isAll: boolean }
  /** It could not be inspected from here: it is on a server, or did not answer in time. */
  | { readonly kind: 'unseen'; readonly reason: string }
  /** This machine sees nothing at the path; another one may. */
  | { readonly kind: 'absent'; readonly reason: string }
  /** The path holds something other than such a data set. */
  | { readonly kind: 'wrong'; readonly reason: string };

/** Location of a data set, from any section of a job file. */
export interface DataPlace {
  readonly format: DataSpec['format'];
  readonly path: string;
  /** For IDX folders. Default: train. */
  readonly split?: 'train' | 'test' | undefined;
}

/** Limits of {@link examineData}. */
export interface ExamineDataOptions {
  /** Stops after finding this many samples. Default: all. */
  readonly enough?: number;
  /** Stops after this time, with the samples found so far. Default: 3 s. */
  readonly deadlineMs?: number;
}

const DEADLINE_MS = 3000;
/**
 * Checks that a job's data exists and counts its samples. Lists names and reads headers; decodes no image. Never throws, and hardly exceeds
 * the deadline, whatever the file system does.
 */
export async function examineData(
  spec: DataPlace,
  { enough = Number.POSITIVE_INFINITY, deadlineMs = DEADLINE_MS }: ExamineDataOptions = {},
): Promise<DataExamination> {
  if (isUrl(spec.path)) return { kind: 'unseen', reason: `${spec.path} is on a server; workers read it` };
  if (isHomeRelative(spec.path)) return { kind: 'wrong', reason: homeRelativeAdvice(spec.path) };
  const limits = { endMs: Date.now() + deadlineMs, enough };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<DataExamination>((resolve) => {
    timer = setTimeout(resolve, deadlineMs, { kind: 'unseen', reason: `${spec.path} did not answer within ${deadlineMs / 1000} s` });
  });
  try {
    return await Promise.race([look(spec, limits), late]);
  } catch (error) {
    if (isMaestroError(error, 'not-found')) return { kind: 'absent', reason: errorMessage(error) };
    if (isMaestroError(error)) return { kind: 'wrong', reason: errorMessage(error) };
    return { kind: 'absent', reason: `${spec.path} cannot be read (${errorMessage(error)})` };
  } finally {
    clearTimeout(timer);
  }
}

async function look(spec: DataPlace, limits: ListingLimits): Promise<DataExamination> {
  const { path, split = 'train' } = spec;
  const there = await stat(path).catch((error: unknown) => missing(path, error));
  const isFolder = there.isDirectory();
  // Opening a pipe or a device could block forever.
  if (!isFolder && !there.isFile()) throw new MaestroError('data-invalid', `${path} is neither a folder nor a file`);
  switch (spec.format) {
    case 'image-folder': {
      if (!isFolder) throw new MaestroError('data-invalid', `${path} is a file; name the folder that contains it`);
      const count = await countImages(path, limits);
      return count.samples === 0 && count.isAll ? otherFormat(spec) : seen(count);
    }
    case 'idx': {
      const file = await findIdxImages(path, split);
      return file === undefined ? otherFormat(spec) : seen(await countIdx(file));
    }
    case 'webdataset': {
      if (!isFolder && !path.endsWith('.json'))
        throw new MaestroError('data-invalid', `${path} is a file; name the folder that contains it`);
      const count = await countPacked(path);
      return count === undefined ? otherFormat(spec) : seen(count);
    }
  }
}

function seen(count: SampleCount): DataExamination {
  if ('uncounted' in count) return { kind: 'unseen', reason: count.uncounted };
  // A count of zero that ran out of time says nothing.
  if (count.samples === 0 && !count.isAll) return { kind: 'unseen', reason: 'no image was found in the time for it' };
  return { kind: 'seen', samples: count.samples, isAll: count.isAll };
}

/** Throws an error that names the missing folder, and the one that may have been meant. */
async function missing(path: string, error: unknown): Promise<never> {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOTDIR') throw new MaestroError('data-invalid', `${path} leads through a file`);
  if (code !== 'ENOENT') throw error;
  let there = dirname(path);
  let next = basename(path);
  for (; dirname(there) !== there && (await stat(there).catch(() => undefined)) === undefined; there = dirname(there))
    next = basename(there);
  // A short name has too many near neighbours.
  const near = next.length < 5 ? undefined : nearest(next, await readdir(there).catch(() => []));
  const hint = near === undefined ? '' : `; did you mean ${join(there, near)}?`;
  const where = isAbsolute(path) ? '' : ` in ${process.cwd()}; write the whole path`;
  throw new MaestroError('not-found', `there is nothing at ${path}${where}${hint}`);
}

/** Throws an error that a folder holds nothing in the job's format, naming the format that it does hold. */
async function otherFormat({ format, path, split = 'train' }: DataPlace): Promise<never> {
  const wanted = {
    'image-folder': noImage(path),
    idx: `no ${split === 'test' ? 't10k' : 'train'}-images-idx3-ubyte or .gz in ${path}`,
    webdataset: `no ${INDEX_FILE} and no tar shards in ${path}; \`maestro dataset pack\` writes both`,
  }[format];
  const holds = await formatOfFolder(path).catch(() => undefined);
  const hint = holds === undefined || holds === format ? '' : `; it looks like format: ${holds}`;
  throw new MaestroError(hint === '' ? 'not-found' : 'data-invalid', `${wanted}${hint}`);
}
