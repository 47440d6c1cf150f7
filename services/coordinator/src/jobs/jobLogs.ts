import { setTimeout as delay } from 'node:timers/promises';
import { type LineCriteria, type LogArchive, type LogLine, lineFilter, readCursor, readForward, readLast } from '@maestro/logs';
import { isTerminal, MaestroError } from '@maestro/protocol';
import type { Coordinator } from './coordinator.ts';

/** Request for a job's lines. */
export interface TailRequest extends LineCriteria {
  /** Continues with new lines until the job has ended. */
  readonly follow?: boolean | undefined;
  /** Begins after the line with this cursor. */
  readonly cursor?: string | undefined;
  /** Begins with the last lines, this many; the cursor takes precedence when both are given. */
  readonly tail?: number | undefined;
  /** Maximum number of lines. */
  readonly limit?: number | undefined;
}

/** The lines of jobs, as clients see them. */
export interface JobLogs {
  readonly archive: LogArchive;
  /**
   * Yields pages of a job's lines, in order; some are empty. Ends when all were delivered, or, when following, when the job has ended and
   * its last line was delivered. Throws errors of the request at once, and `unavailable` when the coordinator stops.
   */
  tail(id: string, request: TailRequest, signal: AbortSignal): AsyncGenerator<readonly LogLine[]>;
  /** Ends all followers. */
  close(): void;
}

/** Maximum lines of a page. */
const PAGE_LINES = 500;
/** Limits concurrent followers. */
const MOST_FOLLOWERS = 500;
/** Interval at which an idle follower checks whether the job has ended. */
const LOOK_MS = 250;
/** Time after a job's end in which released workers write their last lines; hanging ones are not waited for. */
const SETTLE_MS = 500;
const LONGEST_SETTLE_MS = 10_000;

/** Opens the lines of jobs. */
export function openJobLogs({ coordinator, archive }: { readonly coordinator: Coordinator; readonly archive: LogArchive }): JobLogs {
  const closing = new AbortController();
  let followers = 0;

  /** Returns true when the job has ended, and no unarchived line of it can arrive any more. */
  const isOver = async (id: string): Promise<boolean> => {
    const { state, endedAt } = coordinator.get(id);
    if (!isTerminal(state)) return false;
    const sinceMs = Date.now() - Date.parse(endedAt);
    if (sinceMs > LONGEST_SETTLE_MS) return true;
    const isLeft = coordinator.workers().every(({ jobId }) => jobId !== id);
    return isLeft && sinceMs > SETTLE_MS && (await archive.caughtUp(LOOK_MS).catch(() => false));
  };

  async function* pages(id: string, request: TailRequest, after: number, given: AbortSignal): AsyncGenerator<readonly LogLine[]> {
    const { follow = false, tail, limit = Number.POSITIVE_INFINITY, cursor } = request;
    const filter = lineFilter(request);
    const signal = AbortSignal.any([given, closing.signal]);
    const log = await archive.open(id);
    let next = after;
    let left = limit;
    if (tail !== undefined && cursor === undefined) {
      const last = await readLast(log, { filter, after: 0, limit: Math.min(tail, left), signal });
      next = last.next;
      left -= last.lines.length;
      yield last.lines;
    }
    while (left > 0) {
      // Checked before the read, so that the read then returns everything.
      const isLast = !follow || (await isOver(id));
      const page = await readForward(log, { filter, after: next, limit: Math.min(PAGE_LINES, left), signal });
      next = page.next;
      left -= page.lines.length;
      if (page.lines.length > 0) yield page.lines;
      if (next < log.end) continue;
      if (isLast) return;
      await untilMore(id, next, signal);
      signal.throwIfAborted();
    }
  }

  const untilMore = async (id: string, end: number, signal: AbortSignal): Promise<void> => {
    const waiting = new AbortController();
    const either = AbortSignal.any([signal, waiting.signal]);
    await Promise.race([archive.waitForMore(id, end, either), delay(LOOK_MS, undefined, { signal: either }).catch(() => undefined)]);
    waiting.abort();
  };

  async function* counted(inner: AsyncGenerator<readonly LogLine[]>): AsyncGenerator<readonly LogLine[]> {
    followers++;
    try {
      yield* inner;
    } finally {
      followers--;
    }
  }

  return {
    archive,
    tail(id, request, signal) {
      const job = coordinator.get(id); // throws for an unknown job
      lineFilter(request);
      const after = request.cursor === undefined ? 0 : readCursor(request.cursor);
      if (request.follow === true && followers >= MOST_FOLLOWERS) {
        throw new MaestroError('rate-limited', `logs: ${followers} clients follow already`);
      }
      const inner = pages(job.id, request, after, signal);
      return request.follow === true ? counted(inner) : inner;
    },
    close: () => closing.abort(new MaestroError('unavailable', 'logs: the coordinator ends')),
  };
}
