import { errorMessage } from '@maestro/protocol';
import type { RedisConnection } from '@maestro/redis';
import type { Logger } from '@maestro/telemetry';
import type { JobLog, LogPosition } from '../stream/jobLog.ts';
import type { ArchiveState, Journal } from '../stream/journal.ts';
import type { LogLine, NewLine } from '../stream/logLine.ts';
import { isBefore, type LogEntry, newestId, readEntries, trimStream } from '../stream/logStream.ts';
import { parseFields, scalars } from '../stream/parseFields.ts';
import { parseLine } from '../stream/parseLine.ts';

/** Moves log lines from Redis to disk. */
export interface Archiver {
  /** Resolves when everything in Redis at this point is archived, or with false after `timeoutMs`. */
  caughtUp(timeoutMs: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Options of {@link startArchiver}. */
export interface ArchiverOptions {
  readonly redis: RedisConnection;
  readonly journal: Journal;
  readonly state: ArchiveState;
  readonly openJob: (job: string) => Promise<JobLog>;
  /** Throws when another coordinator is active: two must not write the same files. */
  readonly requireLease: () => Promise<void>;
  /** Called with the lines that are archived durably. */
  readonly onLines: (job: string, lines: readonly LogLine[]) => void;
  readonly log: Logger;
}

/** Entries per round; an entry has up to 256 KiB. */
const MOST_ENTRIES = 32;
const BLOCK_MS = 500;
const RETRY_MS = 500;
const POLL_MS = 10;

/**
 * Starts archiving. A round reads entries, drops lines already archived (by process and sequence number), appends the rest to their jobs'
 * files, and commits all of it with one line in the journal. Only then are lines shown, and removed from Redis. After a crash at any point,
 * files are truncated to what was committed, and the rest is read from Redis again: no line is lost or duplicated.
 */
export function startArchiver({ redis, journal, state, openJob, requireLease, onLines, log }: ArchiverOptions): Archiver {
  const sources = new Map(Object.entries(state.sources));
  let { streamId } = state;
  let isClosed = false;
  let hasFailed = false;
  let wake: () => void = () => undefined;

  const round = async (): Promise<void> => {
    const entries = await redis.call('read log lines', () =>
      readEntries(redis.client, streamId, { count: MOST_ENTRIES, blockMs: BLOCK_MS }),
    );
    if (entries.length === 0) return;
    const { lines, next } = newLines(entries, sources, Date.now());
    await requireLease();
    const byJob = new Map<string, NewLine[]>();
    for (const line of lines) {
      const its = byJob.get(line.job);
      if (its === undefined) byJob.set(line.job, [line]);
      else its.push(line);
    }
    const logs: [string, JobLog, LogPosition][] = await Promise.all(
      [...byJob].map(async ([job, its]) => {
        const jobLog = await openJob(job);
        return [job, jobLog, await jobLog.append(its)] as [string, JobLog, LogPosition];
      }),
    );
    const { id } = entries.at(-1)!;
    await journal.commit({ streamId: id, sources: next, jobs: Object.fromEntries(logs.map(([job, , position]) => [job, position])) });
    streamId = id;
    for (const [source, sequence] of Object.entries(next)) sources.set(source, sequence);
    for (const [job, jobLog] of logs) onLines(job, jobLog.publish());
    await redis.call('remove archived log lines', () => trimStream(redis.client, id));
  };

  const run = async (): Promise<void> => {
    while (!isClosed) {
      try {
        await round();
        if (hasFailed) log.info('log lines are archived again');
        hasFailed = false;
      } catch (error) {
        if (isClosed) return;
        if (!hasFailed) log.warn({ error: errorMessage(error) }, 'log lines cannot be archived, trying again; they wait in Redis');
        hasFailed = true;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, RETRY_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    }
  };
  const running = run();

  return {
    async caughtUp(timeoutMs) {
      const deadlineMs = Date.now() + timeoutMs;
      const newest = await redis.call('look for log lines', () => newestId(redis.client));
      while (newest !== undefined && isBefore(streamId, newest)) {
        if (isClosed || Date.now() > deadlineMs) return false;
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      return true;
    },
    async close() {
      isClosed = true;
      wake();
      await running;
    },
  };
}

/**
 * Returns the lines of entries that are new according to `sources`, the sequence number of each process's next line. Lines that Redis had
 * to drop leave a gap in the numbers, which becomes a line saying so. Lines of several processes are sorted by time; those of one keep
 * their order.
 */
function newLines(
  entries: readonly Pick<LogEntry, 'source' | 'sequence' | 'body'>[],
  sources: ReadonlyMap<string, number>,
  nowMs: number,
): { readonly lines: NewLine[]; readonly next: Record<string, number> } {
  const next: Record<string, number> = Object.create(null);
  const found: { readonly line: NewLine; readonly orderMs: number }[] = [];
  const latestMs = new Map<string, number>();
  for (const { source, sequence, body } of entries) {
    const expected = next[source] ?? sources.get(source) ?? sequence;
    const texts = body.split('\n');
    const fresh = texts.slice(Math.max(0, expected - sequence));
    if (sequence > expected) fresh.unshift(lossNotice(texts[0]!, sequence - expected));
    for (const text of fresh) {
      const line = parseLine(text, nowMs);
      const orderMs = Math.max(line.timeMs, latestMs.get(source) ?? 0);
      latestMs.set(source, orderMs);
      found.push({ line, orderMs });
    }
    next[source] = Math.max(expected, sequence + texts.length);
  }
  if (latestMs.size > 1) found.sort((a, b) => a.orderMs - b.orderMs);
  return { lines: found.map(({ line }) => line), next };
}

function lossNotice(next: string, lines: number): string {
  const { time, role, worker, job } = parseFields(next) ?? {};
  return JSON.stringify({ level: 'warn', ...scalars({ time, role, worker, job }), lines, msg: 'log lines lost: too many waited in Redis' });
}
