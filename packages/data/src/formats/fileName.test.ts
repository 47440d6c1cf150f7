import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { filePath, nameBytes, nameOfBytes } from './fileName.ts';

test('every name comes back byte by byte, no two bytes are one name, and text stays as it is', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => nameBytes(nameOfBytes(Buffer.from(bytes))).equals(bytes)));
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(nameOfBytes(Buffer.from(text))).toBe(text);
      expect(filePath(text)).toBe(text);
    }),
  );
  const latin1 = Buffer.from('caf\xe9 \xff.jpg', 'latin1');
  expect(nameOfBytes(latin1)).toBe('caf\udce9 \udcff.jpg');
  expect(filePath(`a/ä/${nameOfBytes(latin1)}`)).toEqual(Buffer.concat([Buffer.from('a/ä/'), latin1]));
  expect(JSON.parse(JSON.stringify(nameOfBytes(latin1)))).toBe(nameOfBytes(latin1));
});
