import { expect, test } from '@jest/globals';
import { withPlainTuples } from './plainTuples.ts';

test('a tuple is a list of as many elements, wherever it stands, and lists stay lists', () => {
  const number = { type: 'number' };
  const list = { type: 'array', items: number };
  const tuple = (...places: object[]) => ({
    type: 'array',
    prefixItems: places,
    items: false,
    minItems: places.length,
    maxItems: places.length,
  });
  expect(withPlainTuples({ a: [tuple(number, list)], b: tuple(number, { ...number }), list })).toEqual({
    a: [{ type: 'array', items: { anyOf: [number, list] }, minItems: 2, maxItems: 2 }],
    b: { type: 'array', items: number, minItems: 2, maxItems: 2 },
    list,
  });
});
