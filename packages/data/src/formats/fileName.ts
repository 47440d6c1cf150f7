import { isUtf8 } from 'node:buffer';

/**
 * Bytes that are not valid UTF-8 are represented as U+DC80 to U+DCFF, which valid text never contains alone (like Python's
 * `surrogateescape`).
 */
const ESCAPED = /(?<![\ud800-\udbff])[\udc80-\udcff]/;
const ESCAPE_BASE = 0xdc00;

/**
 * Converts the bytes of a file name, which need not be UTF-8, to a string: two files never get the same one, and {@link nameBytes} is the
 * inverse.
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

/** Returns the bytes of a name or path: UTF-8, except for what {@link nameOfBytes} escaped. */
export function nameBytes(name: string): Buffer {
  if (!ESCAPED.test(name)) return Buffer.from(name);
  return Buffer.concat(
    Array.from(name, (character) => {
      const point = character.codePointAt(0)!;
      return point >= ESCAPE_BASE + 0x80 && point <= ESCAPE_BASE + 0xff ? Buffer.of(point - ESCAPE_BASE) : Buffer.from(character);
    }),
  );
}

/** Converts a path for calls of node:fs: a string as it is, or bytes when a string cannot represent it. */
export function filePath(path: string): string | Buffer {
  return ESCAPED.test(path) ? nameBytes(path) : path;
}
