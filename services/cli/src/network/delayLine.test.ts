import { expect, test } from '@jest/globals';
import { delayLine } from './delayLine.ts';

const frame = (value: number): Uint8Array => Uint8Array.of(value);
const survivors = (seed: number): number[] => {
  const line = delayLine({ delayMs: 0, lossPercent: 1, seed });
  return Array.from({ length: 20_000 }, (_, i) => i).filter((i) => {
    line.send(frame(i), i);
    return line.receive(i) !== undefined;
  });
};

test('frames arrive in order, each as much later as the law says, and not before', () => {
  const line = delayLine({ delayMs: 50, lossPercent: 0, seed: 0 });
  expect(line.waitMs(0)).toBe(Number.POSITIVE_INFINITY);
  for (let i = 0; i < 10_000; i++) line.send(frame(i % 251), i);
  expect(line.waitMs(10)).toBe(40);
  for (let i = 0; i < 10_000; i++) {
    expect(line.receive(i + 49)).toBeUndefined();
    expect(line.receive(i + 50)).toEqual(frame(i % 251));
  }
  expect(line.receive(1e9)).toBeUndefined();
});

test('about as many frames are lost as the law says, the same ones for the same seed', () => {
  const kept = survivors(7);
  expect(20_000 - kept.length).toBeGreaterThan(140);
  expect(20_000 - kept.length).toBeLessThan(260);
  expect(survivors(7)).toEqual(kept);
  expect(survivors(8)).not.toEqual(kept);
});

test('a full line loses what comes, and takes more in once something has arrived', () => {
  const line = delayLine({ delayMs: 10, lossPercent: 0, seed: 0 }, { mostBytes: 2 });
  for (const value of [1, 2, 3]) line.send(frame(value), 0);
  expect(line.receive(10)).toEqual(frame(1));
  line.send(frame(4), 10);
  expect([line.receive(20), line.receive(20), line.receive(20)]).toEqual([frame(2), frame(4), undefined]);
});
