import { expect, test } from '@jest/globals';
import { withPrefixItems } from './prefixItems.ts';

test('a tuple has prefixItems, wherever it stands, and lists stay lists', () => {
  const number = { type: 'number' };
  const list = { type: 'array', items: number };
  expect(withPrefixItems({ a: [{ type: 'array', items: [number, list] }], list })).toEqual({
    a: [{ type: 'array', prefixItems: [number, list], items: false, minItems: 2, maxItems: 2 }],
    list,
  });
});
