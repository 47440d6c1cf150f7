import type { ClientReadableStream } from '@grpc/grpc-js';
import { outliveCoordinator } from './outliveCoordinator.ts';

/** Selection of a job's log lines. */
export interface TailLogsOptions {
  /** Continues with new lines until the job has ended. */
  readonly follow?: boolean | undefined;
  /** Continues after the line with this cursor. */
  readonly cursor?: string | undefined;
  readonly worker?: string | undefined;
  /** The least urgent level. */
  readonly level?: string | undefined;
  /** A pattern in RE2's syntax. */
  readonly search?: string | undefined;
  /** RFC 3339; from is inclusive, to exclusive. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly limit?: number | undefined;
  /** Begins with the last lines, this many. */
  readonly tail?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Time a coordinator that goes away may take to come back (default 60,000). */
  readonly patienceMs?: number | undefined;
}

/** A log line: the JSON object that its process wrote, and its cursor. */
export interface JobLogLine {
  readonly cursor: string;
  readonly json: string;
}

/** Reads a job's log over as many calls as needed. */
export function tailLogs(
  open: (request: object) => ClientReadableStream<{ lines: JobLogLine[] }>,
  id: string,
  { signal, patienceMs = 60_000, limit, ...request }: TailLogsOptions,
): AsyncGenerator<JobLogLine> {
  let { cursor, tail } = request;
  let left = limit;
  return outliveCoordinator<{ lines: JobLogLine[] }, JobLogLine>({
    open: () => (left === 0 ? undefined : open({ ...request, id, cursor, tail, limit: left ?? 0 })),
    *values({ lines }) {
      for (const line of lines) {
        yield line;
        cursor = line.cursor;
        tail = undefined;
        if (left !== undefined) left--;
      }
    },
    name: 'logs',
    patienceMs,
    signal,
  });
}
