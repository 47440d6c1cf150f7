import { MaestroError } from '@maestro/protocol';

/** The cursor behind a line: an opaque string that holds whatever is restarted. `end` is the line's ordinal plus one. */
export function encodeCursor(end: number): string {
  return Buffer.from(`1.${end}`).toString('base64url');
}

/**
 * The ordinal of the first line behind a cursor.
 * @throws MaestroError `invalid-argument` for what was never one.
 */
export function decodeCursor(cursor: string): number {
  const text = Buffer.from(cursor, 'base64url').toString();
  const found = /^1\.(\d{1,15})$/.exec(text);
  if (found === null || encodeCursor(Number(found[1])) !== cursor) {
    throw new MaestroError('invalid-argument', `cursor ${JSON.stringify(cursor.slice(0, 50))}: not one that came with a log line`);
  }
  return Number(found[1]);
}
