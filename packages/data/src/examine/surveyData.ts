import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { type DataSpec, errorMessage } from '@maestro/protocol';
import { isUrl } from '@maestro/storage';
import { findIdxImages } from '../formats/idx.ts';
import { countIdx, countImages, countPacked, findSplit, formatOfFolder, noImage, type SampleCount } from './listData.ts';

/** Description of the data at a path, when no format was given. */
export interface DataSurvey {
  readonly path: string;
  /** Absent when no known format was found. */
  readonly format?: DataSpec['format'];
  /** Absent when they could not be counted from here. */
  readonly samples?: number;
  /** True when `samples` is the exact number; otherwise there are more. */
  readonly isAll: boolean;
  /** For an image folder: its sub-folders with images, in order; at most {@link MOST_CLASSES}. */
  readonly classes: readonly { readonly name: string; readonly samples: number }[];
  /** Total number of classes. */
  readonly classCount: number;
  /** Reason why a job could not train on it. */
  readonly problem?: string;
  /** Reason why it could not be inspected, though it may be fine. */
  readonly note?: string;
}

const DEADLINE_MS = 3000;
const MOST_CLASSES = 20;

/**
 * Surveys a path: its format, number of samples and class folders, or what is wrong with it. Lists names and reads headers; decodes no
 * image. Never throws, and answers within about `deadlineMs` whatever the file system does.
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
  let format: DataSpec['format'] | undefined;
  try {
    const there = await stat(path);
    if (!there.isDirectory() && !(there.isFile() && path.endsWith('.json')))
      return { ...nothing, problem: `${path} is a file; name the folder that contains it` };
    format = there.isFile() ? 'webdataset' : await formatOfFolder(path);
    // The first image may lie deeper than the format detection looks.
    const count = await countOf(format ?? 'image-folder', path, endMs);
    if ('uncounted' in count) return { ...nothing, format: format!, note: count.uncounted };
    const { samples, isAll } = count;
    if (format === undefined && samples === 0 && isAll) return { ...nothing, problem: noImage(path) };
    const classes = [...(count.classes ?? [])].map(([name, found]) => ({ name, samples: found }));
    classes.sort((a, b) => (a.name < b.name ? -1 : 1));
    const named = classes.slice(0, MOST_CLASSES);
    return { path, format: format ?? 'image-folder', samples, isAll, classes: named, classCount: classes.length };
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const problem = isMissing ? `there is nothing at ${path}` : errorMessage(error);
    return { ...nothing, ...(format !== undefined && { format }), problem };
  }
}

async function countOf(format: DataSpec['format'], path: string, endMs: number): Promise<SampleCount> {
  switch (format) {
    case 'webdataset':
      return (await countPacked(path))!;
    case 'idx':
      return countIdx((await findIdxImages(path, (await findSplit(path))!))!);
    case 'image-folder':
      return countImages(path, { endMs });
  }
}
