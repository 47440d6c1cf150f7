/** Block size of a tar archive: a header, then content padded with zeros; two blocks of zeros at the end. */
export const TAR_BLOCK = 512;

/** Maximum value of eleven octal digits; GNU's base 256 is used beyond. */
const MOST_OCTAL = 8 ** 11 - 1;

/** Returns the bytes of zero padding after content of `size`. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

/**
 * Encodes a ustar header (POSIX.1-1988) of a plain file whose name has at most 100 bytes: octal fields, and a checksum over the header in
 * which its own field counts as blanks.
 */
export function tarHeader(name: string, size: number, mtime: Date): Buffer {
  const block = Buffer.alloc(TAR_BLOCK);
  const octal = (value: number, offset: number, length: number) =>
    block.write(value.toString(8).padStart(length - 1, '0'), offset, 'latin1');
  block.write(name, 0, 100, 'utf8');
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  if (size <= MOST_OCTAL) octal(size, 124, 12);
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  octal(Math.floor(mtime.getTime() / 1000), 136, 12);
  block.write('        ', 148, 'latin1');
  block.write('0', 156, 'latin1');
  block.write('ustar\u000000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148, 'latin1');
  return block;
}
