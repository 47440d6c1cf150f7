import { setImmediate } from 'node:timers/promises';
import { LOG_LEVELS } from '@maestro/telemetry';
import type { JobLog } from '../stream/jobLog.ts';
import type { LineFilter } from '../stream/lineFilter.ts';
import type { LogLine } from '../stream/logLine.ts';
import type { Block, Segment } from './segment.ts';

/** Limits the time for which a search blocks the event loop, which heartbeats need, in milliseconds. */
const TURN_MS = 5;

/** A pushed line may have any text as its level. */
const LEVELS: ReadonlySet<string> = new Set(LOG_LEVELS);

/** Yields to the event loop when this turn has lasted long enough; throws the signal's reason when it aborts. */
export interface Turns {
  (): Promise<void>;
  /** True when this turn has lasted long enough: checked per line, where awaiting costs more than the check. */
  isOver(): boolean;
}

/** Begins a turn. */
export function createTurns(signal?: AbortSignal): Turns {
  let sinceMs = performance.now();
  const isOver = (): boolean => performance.now() - sinceMs >= TURN_MS;
  const next = async (): Promise<void> => {
    signal?.throwIfAborted();
    if (!isOver()) return;
    await setImmediate();
    sinceMs = performance.now();
  };
  return Object.assign(next, { isOver });
}

/** A block of a job's lines, and its segment. */
export interface FoundBlock {
  readonly log: JobLog;
  readonly segment: Segment;
  /** The block at the time of the search. */
  readonly block: Readonly<Block>;
}

/** Returns the blocks that may have lines with matching labels and times, oldest first. */
export function findBlocks(log: JobLog, { takesLabels, fromMs, toMs }: Pick<LineFilter, 'takesLabels' | 'fromMs' | 'toMs'>): FoundBlock[] {
  return log.segments.flatMap((segment) => {
    const isWanted = segment.sets.map(({ labels }) => takesLabels(labels));
    if (!isWanted.includes(true)) return [];
    return segment.blocks
      .filter(({ sets, minMs, maxMs }) => maxMs >= fromMs && minMs < toMs && sets.some((set) => isWanted[set]))
      .map((block) => ({ log, segment, block: { ...block } }));
  });
}

/** Options of reading a job's lines in order. */
export interface ReadOptions {
  readonly filter: LineFilter;
  /** Ordinal of the first line to consider. */
  readonly after: number;
  /** Maximum number of lines. */
  readonly limit: number;
  readonly signal?: AbortSignal;
}

/** Lines of a job, and the position to continue from. */
export interface ReadResult {
  readonly lines: LogLine[];
  /** Ordinal after everything examined; pass it as the next `after`. */
  readonly next: number;
}

/** Returns the first matching lines from `after` on. */
export async function readForward(log: JobLog, { filter, after, limit, signal }: ReadOptions): Promise<ReadResult> {
  const { end } = log;
  const lines: LogLine[] = [];
  const takeTurn = createTurns(signal);
  for (const { segment, block } of findBlocks(log, filter)) {
    if (block.ordinal + block.lines <= after) continue;
    await takeTurn();
    for (const line of await readOrSkip(log, segment, block)) {
      if (line.ordinal < after || !filter.takes(line)) continue;
      lines.push(line);
      if (lines.length === limit) return { lines, next: line.ordinal + 1 };
    }
  }
  return { lines, next: Math.max(after, end) };
}

/** Returns the last `limit` matching lines, in order. */
export async function readLast(log: JobLog, { filter, after, limit, signal }: ReadOptions): Promise<ReadResult> {
  const { end } = log;
  if (limit === 0) return { lines: [], next: end };
  const pages: LogLine[][] = [];
  let count = 0;
  const takeTurn = createTurns(signal);
  for (const { segment, block } of findBlocks(log, filter).reverse()) {
    if (block.ordinal + block.lines <= after || count >= limit) break;
    await takeTurn();
    const found = (await readOrSkip(log, segment, block)).filter((line) => line.ordinal >= after && filter.takes(line));
    pages.push(found);
    count += found.length;
  }
  return { lines: pages.reverse().flat().slice(-limit), next: end };
}

/** Reads a block; a segment that retention has just removed counts as empty. */
export async function readOrSkip(log: JobLog, segment: Segment, block: Readonly<Block>): Promise<LogLine[]> {
  try {
    return await log.read(segment, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !log.segments.includes(segment)) return [];
    throw error;
  }
}

/** Counts of lines by level, in a span of time. */
export interface HistogramBucket {
  readonly fromMs: number;
  readonly toMs: number;
  readonly counts: Record<string, number>;
}

/** Counts the matching lines in `buckets` equal spans from the filter's first time to its last, or the job's. */
export async function histogramOf(
  log: JobLog,
  { filter, buckets, signal }: { readonly filter: LineFilter; readonly buckets: number; readonly signal?: AbortSignal },
): Promise<HistogramBucket[]> {
  const blocks = findBlocks(log, filter);
  if (blocks.length === 0) return [];
  const fromMs = Math.max(filter.fromMs, Math.min(...blocks.map(({ block }) => block.minMs)));
  const toMs = Math.min(filter.toMs, Math.max(...blocks.map(({ block }) => block.maxMs)) + 1);
  const widthMs = Math.max(1, Math.ceil((toMs - fromMs) / buckets));
  const spans: HistogramBucket[] = Array.from({ length: Math.ceil((toMs - fromMs) / widthMs) }, (_, i) => ({
    fromMs: fromMs + i * widthMs,
    toMs: fromMs + (i + 1) * widthMs,
    counts: {},
  }));
  const takeTurn = createTurns(signal);
  for (const { segment, block } of blocks) {
    await takeTurn();
    for (const line of await readOrSkip(log, segment, block)) {
      if (!filter.takes(line)) continue;
      const { counts } = spans[Math.floor((line.timeMs - fromMs) / widthMs)]!;
      const { level } = line.labels;
      const known = level !== undefined && LEVELS.has(level) ? level : 'info';
      counts[known] = (counts[known] ?? 0) + 1;
    }
  }
  return spans;
}
