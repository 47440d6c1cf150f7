import { MaestroError } from '@maestro/protocol';
import type { LogArchive } from '../archive/logArchive.ts';
import { createTurns, type FoundBlock, findBlocks, readOrSkip } from '../archive/scan.ts';
import { labelsKey, type QueryLabels } from '../stream/labels.ts';
import { CLUSTER, type LogLine } from '../stream/logLine.ts';
import type { LogQuery, Matcher } from './ast.ts';
import { compileMatchers, compilePipeline } from './pipeline.ts';

/** A line as returned by its query. */
export interface FoundLine {
  readonly line: LogLine;
  readonly text: string;
  readonly labels: QueryLabels;
}

/** Limits the characters of an answer's lines and labels; a limit of 5000 lines does not bound their length. */
const MOST_CHARACTERS = 64 * 1024 * 1024;

/** Returns the blocks of all jobs whose lines a selector may match. Only jobs that it can match are opened. */
export async function selectBlocks(
  archive: LogArchive,
  matchers: readonly Matcher[],
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Promise<FoundBlock[]> {
  const takesLabels = compileMatchers(matchers);
  const takesJob = compileMatchers(matchers.filter(({ name }) => name === 'job'));
  // Lines outside our jobs may be pushed ones, with any text as their job.
  const jobs = (await archive.jobs()).filter((job) => job === CLUSTER || takesJob({ job }));
  const logs = await Promise.all(jobs.map((job) => archive.open(job)));
  return logs.flatMap((log) => findBlocks(log, { takesLabels, fromMs, toMs }));
}

/**
 * Returns the first (or, backward, the last) matching lines of all jobs, by time, from `fromMs` (inclusive) to `toMs` (exclusive).
 * @throws MaestroError `invalid-argument` for more characters than an answer may have.
 */
export async function selectLines(
  archive: LogArchive,
  query: LogQuery,
  {
    fromMs,
    toMs,
    limit,
    isBackward,
    intervalMs = 0,
    takes = () => true,
    signal,
  }: {
    readonly fromMs: number;
    readonly toMs: number;
    readonly limit: number;
    readonly isBackward: boolean;
    /** Minimum time between two lines of a stream. */
    readonly intervalMs?: number;
    /** Additional condition on a line. */
    readonly takes?: (line: LogLine) => boolean;
    readonly signal?: AbortSignal;
  },
): Promise<FoundLine[]> {
  const pipeline = compilePipeline(query);
  const takesLabels = compileMatchers(query.matchers);
  const blocks = await selectBlocks(archive, query.matchers, { fromMs, toMs });
  const takeTurn = createTurns(signal);
  const sign = isBackward ? -1 : 1;
  const near = ({ block }: FoundBlock): number => (isBackward ? -block.maxMs : block.minMs);
  const order = (a: FoundLine, b: FoundLine): number => sign * (a.line.timeMs - b.line.timeMs || a.line.ordinal - b.line.ordinal);
  // Thinning needs all lines: which of them stay depends on those before.
  const most = intervalMs > 0 ? Number.POSITIVE_INFINITY : limit;
  let found: FoundLine[] = [];
  let characters = 0;
  blocks.sort((a, b) => near(a) - near(b));
  for (const { log, segment, block } of blocks) {
    if (found.length >= most) {
      found = found.sort(order).slice(0, most);
      characters = found.reduce((sum, line) => sum + size(line), 0);
      if (near({ log, segment, block }) > sign * found.at(-1)!.line.timeMs) break;
    }
    await takeTurn();
    for (const line of await readOrSkip(log, segment, block)) {
      if (line.timeMs < fromMs || line.timeMs >= toMs || !takesLabels(line.labels) || !takes(line)) continue;
      if (takeTurn.isOver()) await takeTurn();
      const entry = pipeline(line);
      if (entry === undefined) continue;
      const taken = { line, text: entry.text, labels: entry.labels };
      found.push(taken);
      characters += size(taken);
      if (characters > MOST_CHARACTERS) {
        throw new MaestroError(
          'invalid-argument',
          `the lines of the answer have more than ${MOST_CHARACTERS} characters; select fewer lines or a shorter time`,
        );
      }
    }
  }
  found.sort(order);
  return (intervalMs > 0 ? thinned(found, intervalMs) : found).slice(0, limit);
}

function size({ line, text, labels }: FoundLine): number {
  // Labels that no stage changed are those of the stream, shared by all its lines.
  const own = labels.size > 10 ? [...labels].reduce((sum, [name, value]) => sum + name.length + value.length, 0) : 0;
  return line.text.length + (text === line.text ? 0 : text.length) + own;
}

function thinned(lines: readonly FoundLine[], intervalMs: number): FoundLine[] {
  const lastMs = new Map<string, number>();
  return lines.filter(({ line, labels }) => {
    const key = labelsKey(labels);
    const last = lastMs.get(key);
    if (last !== undefined && Math.abs(line.timeMs - last) < intervalMs) return false;
    lastMs.set(key, line.timeMs);
    return true;
  });
}
