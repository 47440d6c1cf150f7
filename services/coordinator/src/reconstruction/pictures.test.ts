import { expect, test } from '@jest/globals';
import { stepsToThin } from './pictures.ts';

test('pictures stay spread over the run, the first and the last among them', () => {
  let steps: number[] = [];
  for (let step = 100; step <= 100_000; step += 100) {
    steps = [...steps, step];
    const removed = stepsToThin(steps, 16);
    steps = steps.filter((each) => !removed.includes(each));
    expect(steps.length).toBeLessThanOrEqual(16);
    expect(steps.at(-1)).toBe(step);
  }
  expect(steps[0]).toBe(100);
  const gaps = steps.slice(1).map((step, i) => step - steps[i]!);
  expect(Math.max(...gaps)).toBeLessThan(25_000);
});
