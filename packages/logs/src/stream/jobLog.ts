import { type FileHandle, mkdir, open, readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type Block, emptySegment, indexLine, openSegment, readBlock, type Segment, saveIndex, segmentFiles } from '../archive/segment.ts';
import { syncFolder } from '../archive/syncFolder.ts';
import type { LogLine, NewLine } from './logLine.ts';

/** Position up to which a job's lines are durable on disk. */
export interface LogPosition {
  /** First ordinal of the segment being written. */
  readonly segment: number;
  /** Bytes of that segment. */
  readonly bytes: number;
}

/** Limits of a job's lines on disk. */
export interface JobLogBounds {
  /** Size at which a segment is full (default 8 MiB). */
  readonly segmentBytes?: number;
  /** Total size above which the oldest segment is removed (default 256 MiB). */
  readonly totalBytes?: number;
}

/** Lines of one job, as files in one folder: `<ordinal of the first line>.ndjson`, readable by any tool. */
export interface JobLog {
  /** Ordinal of the oldest retained line, and the number of lines ever. */
  readonly first: number;
  readonly end: number;
  readonly segments: readonly Segment[];
  /** Writes lines and flushes them to disk; readers do not see them before `publish`, so that uncommitted lines are never seen. */
  append(lines: readonly NewLine[]): Promise<LogPosition>;
  /** Makes appended lines visible and returns them with their ordinals. */
  publish(): LogLine[];
  read(segment: Segment, block: Readonly<Block>): Promise<LogLine[]>;
  close(): Promise<void>;
}

const NAME_LENGTH = 15;
const fileName = (ordinal: number): string => `${String(ordinal).padStart(NAME_LENGTH, '0')}.ndjson`;

/** Opens the lines in `dir`, truncated at `position` if one was committed: lines beyond it will be delivered again. */
export async function openJobLog(
  dir: string,
  position?: LogPosition,
  { segmentBytes = 8 * 1024 * 1024, totalBytes = 256 * 1024 * 1024 }: JobLogBounds = {},
): Promise<JobLog> {
  const segments = await openSegments(dir, position);
  let file: FileHandle | undefined;
  let pending: { readonly segment: Segment; readonly lines: readonly NewLine[]; readonly sizes: readonly number[] } | undefined;

  /** Returns the segment to write to; a full one is closed, and its index saved. */
  const current = async (): Promise<Segment> => {
    const last = segments.at(-1);
    if (last !== undefined && last.bytes < segmentBytes) {
      file ??= await open(last.path, 'r+');
      return last;
    }
    await file?.close();
    if (last !== undefined) await saveIndex(last);
    const ordinal = last === undefined ? 0 : last.ordinal + last.lines;
    await mkdir(dir, { recursive: true });
    const next = emptySegment(join(dir, fileName(ordinal)), ordinal);
    file = await open(next.path, 'w+');
    await syncFolder(dir);
    segments.push(next);
    await forget();
    return next;
  };

  const forget = async (): Promise<void> => {
    while (segments.length > 1 && segments.reduce((sum, { bytes }) => sum + bytes, 0) > totalBytes - segmentBytes) {
      const oldest = segments.shift()!;
      for (const path of segmentFiles(oldest.path)) await rm(path, { force: true });
    }
  };

  return {
    get first() {
      return segments[0]?.ordinal ?? 0;
    },
    get end() {
      const last = segments.at(-1);
      return last === undefined ? 0 : last.ordinal + last.lines;
    },
    segments,
    async append(lines) {
      const segment = await current();
      const bytes = Buffer.from(`${lines.map(({ text }) => text).join('\n')}\n`);
      // Written at a known offset, not at the end: a failed attempt may have left something there.
      for (let written = 0; written < bytes.length; ) {
        written += (await file!.write(bytes, written, bytes.length - written, segment.bytes + written)).bytesWritten;
      }
      await file!.datasync();
      pending = { segment, lines, sizes: lines.map(({ text }) => Buffer.byteLength(text) + 1) };
      return { segment: segment.ordinal, bytes: segment.bytes + bytes.length };
    },
    publish() {
      if (pending === undefined) return [];
      const { segment, lines, sizes } = pending;
      pending = undefined;
      return lines.map(({ timeMs, labels, text }, i) => {
        const ordinal = segment.ordinal + segment.lines;
        indexLine(segment, { timeMs, labels }, sizes[i]!);
        return { ordinal, timeMs, labels, text };
      });
    },
    read: readBlock,
    async close() {
      await file?.close();
      file = undefined;
    },
  };
}

async function openSegments(dir: string, position: LogPosition | undefined): Promise<Segment[]> {
  const files = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const names = files.filter((name) => /^\d+\.ndjson$/.test(name)).sort();
  const segments: Segment[] = [];
  for (const name of names) {
    const path = join(dir, name);
    const ordinal = Number.parseInt(name, 10);
    if (position !== undefined && ordinal > position.segment) {
      for (const each of segmentFiles(path)) await rm(each, { force: true });
      continue;
    }
    const { size } = await stat(path);
    const committed = position?.segment === ordinal ? Math.min(position.bytes, size) : size;
    const segment = await openSegment(path, ordinal, committed);
    if (segment.bytes < size) await truncate(path, segment.bytes);
    segments.push(segment);
  }
  return segments;
}
