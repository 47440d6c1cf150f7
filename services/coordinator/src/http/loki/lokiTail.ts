import {
  compileMatchers,
  compilePipeline,
  type FoundLine,
  folderOf,
  type LogArchive,
  type LogLine,
  type LogQuery,
  labelsObject,
  nanosecondsOf,
  parseQuery,
  selectLines,
} from '@maestro/logs';
import { errorMessage, MaestroError } from '@maestro/protocol';
import { type LokiParams, parseLimit, parseSpan, requiredParam, spanMs } from './lokiParams.ts';
import { toStreams } from './lokiQuery.ts';

/** The part of a websocket used here. */
export interface TailSocket {
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code: number, reason: string): void;
  on(event: 'close' | 'error', listener: () => void): void;
}

/** Parses the query of a tail. */
export function tailQuery(params: LokiParams): LogQuery {
  const query = parseQuery(requiredParam(params, 'query'));
  if (query.kind !== 'log') throw new MaestroError('invalid-argument', 'query: only a log query can be tailed, found a metric query');
  compileMatchers(query.matchers);
  compilePipeline(query);
  parseSpan(params);
  parseLimit(params);
  return query;
}

/** Limits the bytes that a client may be behind; further lines are dropped for it and reported. */
const MOST_BUFFERED = 4 * 1024 * 1024;
/** Limits the dropped lines named in one frame. */
const MOST_DROPPED = 100;
/** Time for which a frame collects lines. */
const FRAME_MS = 50;

/** Sends the lines since `start` (at most `limit`), then each new one, in Loki's frames, until the socket closes. */
export async function serveTail(archive: LogArchive, socket: TailSocket, params: LokiParams): Promise<void> {
  const query = tailQuery(params);
  const takesLabels = compileMatchers(query.matchers);
  const pipeline = compilePipeline(query);
  const gone = new AbortController();
  let waiting: FoundLine[] = [];
  let dropped: { readonly labels: object; readonly timestamp: string }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let isLive = false;
  /** The first live line of each job: those before it are history. */
  const firstLive = new Map<string, number>();

  const send = (lines: readonly FoundLine[]): void => {
    socket.send(JSON.stringify({ streams: toStreams(lines, false), dropped_entries: dropped.length === 0 ? null : dropped }));
    dropped = [];
  };
  const flush = (): void => {
    timer = undefined;
    const lines = waiting;
    waiting = [];
    if (lines.length === 0 || gone.signal.aborted) return;
    if (socket.bufferedAmount < MOST_BUFFERED) return send(lines);
    const left = lines.map(({ line, labels }) => ({ labels: labelsObject(labels), timestamp: String(nanosecondsOf(line)) }));
    dropped = [...dropped, ...left].slice(-MOST_DROPPED);
  };
  const take = (job: string, lines: readonly LogLine[]): void => {
    if (!firstLive.has(job)) firstLive.set(job, lines[0]!.ordinal);
    for (const line of lines) {
      const entry = takesLabels(line.labels) ? pipeline(line) : undefined;
      if (entry !== undefined) waiting.push({ line, text: entry.text, labels: entry.labels });
    }
    if (isLive) timer ??= setTimeout(flush, FRAME_MS);
  };
  // Listening starts before the history is read, so that no line is missed; duplicates are recognised by their ordinal.
  const stop = archive.listen(take);
  const end = (): void => {
    gone.abort();
    stop();
    clearTimeout(timer);
  };
  socket.on('close', end);
  socket.on('error', end);
  try {
    const { startNs } = parseSpan(params);
    const past = await selectLines(archive, query, {
      fromMs: spanMs({ startNs, endNs: startNs }).fromMs,
      toMs: Number.POSITIVE_INFINITY,
      limit: parseLimit(params),
      isBackward: true,
      takes: (line) => nanosecondsOf(line) >= startNs && line.ordinal < (firstLive.get(folderOf(line.labels)) ?? Number.POSITIVE_INFINITY),
      signal: gone.signal,
    });
    if (gone.signal.aborted) return;
    const known = new Set(past.map(({ line }) => `${folderOf(line.labels)} ${line.ordinal}`));
    // Lines that arrived while the history was read may be in both.
    waiting = waiting.filter(({ line }) => !known.has(`${folderOf(line.labels)} ${line.ordinal}`));
    if (past.length > 0) send(past.reverse());
    isLive = true;
    flush();
  } catch (error) {
    if (gone.signal.aborted) return;
    end();
    socket.close(1011, errorMessage(error).slice(0, 100));
  }
}
