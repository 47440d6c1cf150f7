import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { openVector } from './vector.ts';

test('a vector of several segments reads and writes as the one that they make', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 6 }),
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 0, max: 3 }),
      (sizes, a, b, words) => {
        const length = sizes.reduce((sum, size) => sum + size, 0);
        const flat = Float32Array.from({ length }, (_, i) => i + 0.5);
        let next = 0;
        const segments = sizes.map((size) => {
          next += size;
          return flat.slice(next - size, next);
        });
        const first = length === 0 ? 0 : a % length;
        const count = length === 0 ? 0 : b % (length - first + 1);
        const vector = openVector(segments);
        const bytes = new Uint8Array((count + words) * 4);
        vector.read(first, count, bytes, words * 4);
        expect([...new Float32Array(bytes.buffer, words * 4)]).toEqual([...flat.subarray(first, first + count)]);

        const copy = openVector(sizes.map((size) => new Float32Array(size)));
        copy.write(first, count, bytes, words * 4);
        const back = new Uint8Array(length * 4);
        copy.read(0, length, back, 0);
        expect([...new Float32Array(back.buffer)]).toEqual([...flat].map((value, i) => (i >= first && i < first + count ? value : 0)));
      },
    ),
  );
});

test('elements outside the vector are a bug of the caller', () => {
  expect(() => openVector(new Float32Array(4)).read(2, 3, new Uint8Array(12), 0)).toThrow('elements 2..4 do not lie in a vector of 4');
});
