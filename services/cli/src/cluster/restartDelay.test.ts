import { expect, test } from '@jest/globals';
import { restartDelayMs } from './restartDelay.ts';

test('the delay doubles from 0.2 s to 10 s while lives are short, and begins again after a long one', () => {
  const delays: number[] = [];
  for (let i = 0; i < 8; i++) delays.push(restartDelayMs({ previousMs: delays.at(-1), livedMs: 900 }));
  expect(delays).toEqual([200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  expect(restartDelayMs({ previousMs: 10_000, livedMs: 30_000 })).toBe(200);
});
