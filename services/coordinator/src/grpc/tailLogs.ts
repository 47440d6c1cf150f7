import { once } from 'node:events';
import { type handleServerStreamingCall, Metadata } from '@grpc/grpc-js';
import { cursorOf } from '@maestro/logs';
import { MaestroError, toServiceError } from '@maestro/protocol';
import { LOG_LEVELS, type LogLevel } from '@maestro/telemetry';
import type { JobLogs, TailRequest } from '../jobs/jobLogs.ts';

/** TailLogsRequest of jobs.proto; omitted fields are empty. */
interface TailLogsRequest {
  readonly id: string;
  readonly follow: boolean;
  readonly cursor: string;
  readonly worker: string;
  readonly level: string;
  readonly search: string;
  readonly from: string;
  readonly to: string;
  readonly limit: number;
  readonly tail?: number;
  /** Set by the loader when the optional field is present. */
  readonly _tail?: 'tail';
}

type LogLines = { readonly lines: readonly { readonly cursor: string; readonly json: string }[] };

/** Serves `TailLogs`. A slow client is waited for: unread lines are on disk. */
export function tailLogs(
  logs: JobLogs,
  locate: (reference: string) => Promise<string>,
): handleServerStreamingCall<TailLogsRequest, LogLines> {
  return (call) => {
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort(new MaestroError('cancelled', 'the client disconnected')));
    const send = async (): Promise<void> => {
      const pages = logs.tail(await locate(call.request.id), toRequest(call.request), gone.signal);
      call.sendMetadata(new Metadata()); // signals acceptance before there is a line
      for await (const page of pages) {
        if (page.length === 0) continue;
        const lines = page.map((line) => ({ cursor: cursorOf(line), json: line.text }));
        if (!call.write({ lines })) await once(call, 'drain', { signal: gone.signal });
      }
      call.end();
    };
    send().catch((error: unknown) => {
      if (!gone.signal.aborted) call.emit('error', toServiceError(error));
    });
  };
}

function toRequest({ follow, cursor, worker, level, search, from, to, limit, tail, _tail }: TailLogsRequest): TailRequest {
  if (level !== '' && !LOG_LEVELS.includes(level as LogLevel)) {
    throw new MaestroError(
      'invalid-argument',
      `level: expected one of ${LOG_LEVELS.slice(0, -1).join(', ')}, found ${JSON.stringify(level)}`,
    );
  }
  return {
    follow,
    ...(cursor !== '' && { cursor }),
    ...(worker !== '' && { worker }),
    ...(level !== '' && { level: level as LogLevel }),
    ...(search !== '' && { search }),
    ...(from !== '' && { fromMs: parseTime('from', from) }),
    ...(to !== '' && { toMs: parseTime('to', to) }),
    ...(limit > 0 && { limit }),
    ...(_tail === 'tail' && { tail: tail! }),
  };
}

function parseTime(name: string, text: string): number {
  const timeMs = Date.parse(text);
  if (Number.isNaN(timeMs))
    throw new MaestroError('invalid-argument', `${name}: expected a time such as 2025-01-31T12:00:00Z, found ${JSON.stringify(text)}`);
  return timeMs;
}
