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

/** What we use of a websocket. */
export interface TailSocket {
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code: number, reason: string): void;
  on(event: 'close' | 'error', listener: () => void): void;
}

/** The query of a tail. */
export function tailQuery(params: LokiParams): LogQuery {
  const query = parseQuery(requiredParam(params, 'query'));
  if (query.kind !== 'log') throw new MaestroError('invalid-argument', 'query: only a log query can be tailed, found a metric query');
  compileMatchers(query.matchers);
  compilePipeline(query);
  parseSpan(params);
  parseLimit(params);
  return query;
}

/** Bytes that a client may be behind; what comes then is left out for it, and told so. */
const MOST_BUFFERED = 4 * 1024 * 1024;
/** Left out lines that are named in one frame. */
const MOST_DROPPED = 100;
/** A frame gathers what comes in this time. */
const FRAME_MS = 50;

/** Sends the lines since `start` (at most `limit`), then each that comes, in Loki's frames, until the socket closes. */
export async function serveTail(archive: LogArchive, socket: TailSocket, params: LokiParams): Promise<void> {
  const query = tailQuery(params);
  const takesLabels = compileMatchers(query.matchers);
  const pipeline = compilePipeline(query);
  const gone = new AbortController();
  let waiting: FoundLine[] = [];
  let dropped: { readonly labels: object; readonly timestamp: string }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let isLive = false;
  /** Of each job the first line that comes live: those before it are history. */
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
  // Heard before the past is looked up, so that nothing falls in between; lines of both are told apart by their place.
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
    // What came while the past was read may be in both.
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
