import { MaestroError } from '@maestro/protocol';
import { TAR_BLOCK, tarPadding } from './tarHeader.ts';

/** A plain file in a tar archive. */
export interface TarMember {
  readonly name: string;
  /** Offset of its content in the archive, and its size in bytes. */
  readonly offset: number;
  readonly sizeBytes: number;
  /** Content of a member that {@link readTar} was asked to keep. */
  readonly content: Uint8Array | undefined;
}

/** Types of header blocks (POSIX.1-2001 and GNU tar): a plain file, attributes of the next file, the long name of the next file. */
const PLAIN = new Set(['0', '\0', '7']);
const PAX = 'x';
const GNU_NAME = 'L';
/** Long names and attributes have some hundred bytes; a larger claim is not a tar archive. */
const MOST_ATTRIBUTE_BYTES = 2 ** 20;

/**
 * Yields the plain files of a tar archive (ustar, pax, GNU), in order, from its bytes in parts of any length. Skips links, folders and
 * devices.
 *
 * @param keeps selects the members whose content is returned; small ones, since it is assembled in memory
 * @throws MaestroError `data-invalid` when it is not a tar archive, or ends within a member
 */
export async function* readTar(
  parts: AsyncIterable<Uint8Array>,
  { where, keeps }: { readonly where: string; readonly keeps: (name: string, sizeBytes: number) => boolean },
): AsyncGenerator<TarMember> {
  const input = openInput(parts);
  let named: string | undefined;
  let pax: ReadonlyMap<string, string> = new Map();
  for (;;) {
    const at = input.position;
    const refuse = (why: string): MaestroError => new MaestroError('data-invalid', `${where}: ${why} at byte ${at}`);
    const header = await input.take(TAR_BLOCK);
    if (header.length === 0) return;
    if (header.length < TAR_BLOCK) throw refuse('it ends within a header');
    if (header.every((byte) => byte === 0)) {
      // Bytes after the end marker carry no data, but belong to the archive.
      await input.skip(Number.POSITIVE_INFINITY);
      return;
    }
    if (!hasChecksum(header))
      throw refuse(at === 0 ? 'it is not a tar archive (decompress it first if it is compressed): no header' : 'no header');
    const type = String.fromCharCode(header[156]!);
    const sizeBytes = Number(pax.get('size') ?? numberOf(header.subarray(124, 136)));
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw refuse('a size that is none');
    const name = pax.get('path') ?? named ?? nameOf(header);
    const offset = at + TAR_BLOCK;
    const isAttribute = type === PAX || type === GNU_NAME;
    if (isAttribute && sizeBytes > MOST_ATTRIBUTE_BYTES) throw refuse('a name or attributes that are too long');
    const isPlain = PLAIN.has(type);
    const isKept = isAttribute || (isPlain && keeps(name, sizeBytes));
    const content = isKept ? await input.take(sizeBytes) : undefined;
    const found = content?.length ?? (await input.skip(sizeBytes));
    if (found < sizeBytes) throw refuse(`it ends within ${JSON.stringify(name)}, whose header is`);
    await input.skip(tarPadding(sizeBytes));
    if (type === PAX) pax = paxRecords(content!);
    else if (type === GNU_NAME) named = text(content!);
    else {
      if (isPlain) yield { name, offset, sizeBytes, content };
      [named, pax] = [undefined, new Map()];
    }
  }
}

/** Reads bytes in order from parts. */
function openInput(parts: AsyncIterable<Uint8Array>) {
  const iterator = parts[Symbol.asyncIterator]();
  let part = new Uint8Array(0);
  const input = {
    position: 0,
    /** Returns the next bytes, at most `count` of them; none at the end. */
    async next(count: number): Promise<Uint8Array> {
      while (part.length === 0) {
        const { done, value } = await iterator.next();
        if (done === true) return part;
        part = value as Uint8Array<ArrayBuffer>;
      }
      const taken = part.subarray(0, count);
      part = part.subarray(taken.length);
      input.position += taken.length;
      return taken;
    },
    /** Returns the next `count` bytes, fewer at the end. */
    async take(count: number): Promise<Uint8Array> {
      const pieces: Uint8Array[] = [];
      for (let left = count; left > 0; ) {
        const piece = await input.next(left);
        if (piece.length === 0) break;
        pieces.push(piece);
        left -= piece.length;
      }
      return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    },
    /** Skips `count` bytes. @returns the number skipped */
    async skip(count: number): Promise<number> {
      let skipped = 0;
      while (skipped < count) {
        const { length } = await input.next(count - skipped);
        if (length === 0) break;
        skipped += length;
      }
      return skipped;
    },
  };
  return input;
}

/** Verifies a header's checksum: the sum of all its bytes, in which its own field counts as blanks. */
function hasChecksum(header: Uint8Array): boolean {
  let sum = 0;
  for (let i = 0; i < TAR_BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : header[i]!;
  return numberOf(header.subarray(148, 156)) === sum;
}

/** Parses octal digits, or GNU's base 256, which begins with a set bit. */
function numberOf(field: Uint8Array): number {
  if ((field[0]! & 0x80) === 0) return Number.parseInt(text(field).trim() || '0', 8);
  return field.reduce((value, byte, i) => value * 256 + (i === 0 ? byte & 0x7f : byte), 0);
}

function nameOf(header: Uint8Array): string {
  const name = text(header.subarray(0, 100));
  const isUstar = text(header.subarray(257, 263)).startsWith('ustar') && header[262] === 0;
  const prefix = isUstar ? text(header.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** Decodes the text up to the first zero. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString();
}

/** Parses consecutive `length key=value\n` records; the length includes itself. */
function paxRecords(content: Uint8Array): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < content.length; ) {
    const blank = content.indexOf(0x20, at);
    const length = Number(Buffer.from(content.subarray(at, blank)).toString());
    if (blank < 0 || !(length > 0)) break;
    const record = Buffer.from(content.subarray(blank + 1, at + length - 1)).toString();
    const equals = record.indexOf('=');
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}
