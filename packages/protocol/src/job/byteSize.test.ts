import { expect, test } from '@jest/globals';
import { formatBytes, parseByteSize } from './byteSize.ts';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [999_949, '999.9 kB'],
  [999_950, '1.0 MB'],
  [33_140_000, '33.1 MB'],
  [1_333_700_000, '1.3 GB'],
  [5e15, '5000.0 TB'],
])('%d bytes are shown as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test('a size that is shown can be typed', () => {
  expect(parseByteSize(formatBytes(33_100_000), 'size')).toBe(33_100_000);
});
