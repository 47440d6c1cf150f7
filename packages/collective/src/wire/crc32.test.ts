import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { crc32, javaScriptCrc32 } from './crc32.ts';

test('both give the check value of the catalogue of CRCs for "123456789"', () => {
  for (const compute of [crc32, javaScriptCrc32]) expect(compute(Buffer.from('123456789'))).toBe(0xcbf43926);
});

test('the plain twin gives what Node does, for shared memory too', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
      shared.set(bytes);
      return javaScriptCrc32(bytes) === crc32(bytes) && crc32(shared) === crc32(bytes);
    }),
  );
});
