import { MaestroError } from '@maestro/protocol';

/** Bytes before the pixels: the format requires a multiple of 64, and any image's shape fits into the first two. */
export const NPY_HEADER_BYTES = 128;

/**
 * Encodes the header of a NumPy file (format version 1.0) of bytes with the given shape, row-major: `numpy.load` and WebDataset read it as
 * an array.
 */
export function npyHeader(shape: readonly number[]): Buffer {
  const header = Buffer.alloc(NPY_HEADER_BYTES, ' ');
  header.write('\u0093NUMPY\u0001\u0000', 0, 'latin1');
  header.writeUInt16LE(NPY_HEADER_BYTES - 10, 8);
  const text = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`;
  if (text.length > NPY_HEADER_BYTES - 11) throw new MaestroError('internal', `internal: no room for the shape ${shape.join(' x ')}`);
  header.write(text, 10, 'latin1');
  header.write('\n', NPY_HEADER_BYTES - 1, 'latin1');
  return header;
}
