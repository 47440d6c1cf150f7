import { decodeCursor, encodeCursor, LOG_CURSOR, MaestroError, numberKey } from '@maestro/protocol';
import type { LogLine } from '../stream/logLine.ts';

/** Returns the cursor of a line: an opaque string that survives restarts. Reading continues after the line. */
export function cursorOf({ ordinal }: Pick<LogLine, 'ordinal'>): string {
  return encodeCursor(numberKey(ordinal + 1));
}

/**
 * Returns the ordinal of the first line after a cursor.
 * @throws MaestroError `invalid-argument` for anything else.
 */
export function readCursor(cursor: string): number {
  if (!LOG_CURSOR.test(cursor)) throw new MaestroError('invalid-argument', 'cursor: not a cursor of a log line');
  return Number(decodeCursor(cursor));
}

/** Formats a line for clients: its fields, and its cursor. */
export function withCursor(line: LogLine): string {
  // The last of duplicate fields counts, so a line cannot forge its cursor.
  return `${line.text.slice(0, -1)},"cursor":"${cursorOf(line)}"}`;
}
