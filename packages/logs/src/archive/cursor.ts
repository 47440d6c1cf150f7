import { decodeCursor, encodeCursor, LOG_CURSOR, MaestroError, numberKey } from '@maestro/protocol';
import type { LogLine } from '../stream/logLine.ts';

/** The cursor of a line: an opaque string that holds whatever is restarted. Reading goes on behind the line. */
export function cursorOf({ ordinal }: Pick<LogLine, 'ordinal'>): string {
  return encodeCursor(numberKey(ordinal + 1));
}

/**
 * The ordinal of the first line behind a cursor.
 * @throws MaestroError `invalid-argument` for what was never one.
 */
export function readCursor(cursor: string): number {
  if (!LOG_CURSOR.test(cursor)) throw new MaestroError('invalid-argument', 'cursor: not one that came with a log line');
  return Number(decodeCursor(cursor));
}

/** A line as clients get it: its fields, and its cursor. */
export function withCursor(line: LogLine): string {
  // The last of two fields of a name counts, so a line cannot give itself a cursor.
  return `${line.text.slice(0, -1)},"cursor":"${cursorOf(line)}"}`;
}
