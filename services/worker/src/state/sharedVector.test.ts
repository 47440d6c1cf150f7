import { expect, test } from '@jest/globals';
import { openFloatPool } from './sharedVector.ts';

test('a pool lends the same memory again, whole arrays only, and keeps no more of them than were lent at one time', () => {
  const pool = openFloatPool();
  const [large, small] = [pool.take(1000), pool.take(10)];
  expect(large.buffer).not.toBe(small.buffer);
  pool.give(small);
  pool.give(large);
  const again = pool.take(600);
  expect(again).toHaveLength(600);
  expect(again.buffer).toBe(large.buffer);
  expect(pool.take(2000)).toHaveLength(2000);
  // The small one has made room for it.
  expect(pool.take(10).buffer).not.toBe(small.buffer);
});
