import { isUtf8 } from 'node:buffer';

/** Bytes that are no UTF-8 stand in names as U+DC80 to U+DCFF, which no valid text has alone (as in Python's `surrogateescape`). */
const ESCAPED = /(?<![\ud800-\udbff])[\udc80-\udcff]/;
const ESCAPE_BASE = 0xdc00;

/**
 * The name of a file by its bytes, which need not be UTF-8: two files never get the same one, and {@link nameBytes} gives the bytes back.
 */
export function nameOfBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString();
  let name = '';
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((count) => at + count <= bytes.length && isUtf8(bytes.subarray(at, at + count)));
    name += length === undefined ? String.fromCharCode(ESCAPE_BASE + bytes[at]!) : bytes.toString('utf8', at, at + length);
    at += length ?? 1;
  }
  return name;
}

/** The bytes of a name or path: text in UTF-8 but for what {@link nameOfBytes} escaped. */
export function nameBytes(name: string): Buffer {
  if (!ESCAPED.test(name)) return Buffer.from(name);
  return Buffer.concat(
    Array.from(name, (character) => {
      const point = character.codePointAt(0)!;
      return point >= ESCAPE_BASE + 0x80 && point <= ESCAPE_BASE + 0xff ? Buffer.of(point - ESCAPE_BASE) : Buffer.from(character);
    }),
  );
}

/** A path for calls of node:fs: text as it is, bytes where text cannot say them. */
export function filePath(path: string): string | Buffer {
  return ESCAPED.test(path) ? nameBytes(path) : path;
}
