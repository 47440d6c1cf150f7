import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { broadcastDims, canonicalDims, type Dim, dimProduct, dimQuotient } from './dim.ts';

const dim: fc.Arbitrary<Dim> = fc
  .tuple(fc.integer({ min: 1, max: 50 }), fc.array(fc.constantFrom('N', 'L', 'heads'), { maxLength: 3 }))
  .map(([number, symbols]) => dimProduct(number, ...symbols));

test('a product divides by each of its factors', () => {
  fc.assert(
    fc.property(dim, dim, (a, b) => {
      expect(dimQuotient(dimProduct(a, b), b)).toBe(a);
    }),
  );
});

test('products have one spelling, whatever the order', () => {
  fc.assert(
    fc.property(fc.array(dim, { maxLength: 4 }), (dims) => {
      expect(dimProduct(...[...dims].reverse())).toBe(dimProduct(...dims));
      expect(canonicalDims(dims)).toEqual(dims);
    }),
  );
  expect(canonicalDims(['N*49', 'L * N', '2*3', '1*N'])).toEqual(['49*N', 'L*N', 6, 'N']);
});

test('what does not divide has no quotient', () => {
  expect(dimQuotient('3*N', 2)).toBeUndefined();
  expect(dimQuotient('3*N', 'L')).toBeUndefined();
  expect(dimQuotient(3, 0)).toBeUndefined();
});

test('a dimension must be a whole number or a product of names', () => {
  for (const wrong of [-1, 1.5, Number.NaN, '', 'N+1', '2N', 'N**2']) {
    expect(() => canonicalDims([wrong])).toThrow('dimension');
  }
});

test('shapes broadcast from the right, and symbols only against themselves and 1', () => {
  expect(broadcastDims(['N', 1, 4], [3, 1], [])).toEqual(['N', 3, 4]);
  expect(() => broadcastDims(['N'], ['L'])).toThrow('shapes [N] and [L] do not broadcast');
  expect(() => broadcastDims(['N'], [2])).toThrow('do not broadcast');
});
