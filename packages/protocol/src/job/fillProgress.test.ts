import { expect, test } from '@jest/globals';
import { allocateProgress, tellProgress, watchProgress } from './fillProgress.ts';

test('a sample is late when nothing has happened to it through all looks, and a thread without one never is', () => {
  const memory = allocateProgress();
  const progress = tellProgress(memory);
  const look = watchProgress(memory, 2);
  const looks = (count: number) => Array.from({ length: count }, look);
  expect(looks(4)).toEqual([undefined, undefined, undefined, undefined]);
  progress.begin(2 ** 40);
  expect(looks(3)).toEqual([undefined, undefined, 2 ** 40]);
  progress.reading();
  expect(looks(2)).toEqual([undefined, undefined]);
  progress.readDone();
  expect(looks(3)).toEqual([undefined, undefined, 2 ** 40]);
  progress.end();
  expect(looks(3)).toEqual([undefined, undefined, undefined]);
  // Samples that come fast are each a new one.
  for (let sample = 0; sample < 5; sample++) {
    progress.begin(sample);
    expect(look()).toBeUndefined();
  }
});

test('a thread whose event loop runs while an image is read is alive, however long that takes', async () => {
  const memory = allocateProgress();
  const progress = tellProgress(memory);
  const look = watchProgress(memory, 1);
  progress.begin(3);
  progress.reading();
  look();
  // It tells so by a timer of its own.
  for (const words = new Int32Array(memory, 0, 1), before = Atomics.load(words, 0); Atomics.load(words, 0) === before; )
    await new Promise((resolve) => setImmediate(resolve));
  expect(look()).toBeUndefined();
  expect(look()).toBe(3);
});
