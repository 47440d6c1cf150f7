import { describe, expect, test } from '@jest/globals';
import { addRow, type StepRow, thinned } from './history.ts';

const row = (step: number, loss = 1 / step, stepSeconds = 0.1): StepRow => ({
  step,
  timeMs: step * 100,
  images: 64,
  stepSeconds,
  metrics: { loss, gradNorm: 1 },
});

describe('addRow', () => {
  test('a step that is computed again replaces its point, one that was thinned away comes back', () => {
    const rows: StepRow[] = [];
    for (const step of [1, 2, 3, 5]) addRow(rows, row(step));
    addRow(rows, row(2, 7));
    addRow(rows, row(4));
    expect(rows.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
    expect(rows[1]!.metrics).toMatchObject({ loss: 7 });
  });

  test('a long run stays bounded, keeps its spikes and its newest step', () => {
    const rows: StepRow[] = [];
    for (let step = 1; step <= 20_000; step++) {
      addRow(rows, row(step, step === 5003 ? 99 : 1 / step, step === 7001 ? 50 : 0.1), 1024);
      expect(rows.at(-1)!.step).toBe(step);
    }
    expect(rows.length).toBeLessThanOrEqual(1024);
    expect(rows.length).toBeGreaterThan(300);
    expect(rows.find(({ step }) => step === 5003)?.metrics).toMatchObject({ loss: 99 });
    expect(rows.find(({ step }) => step === 7001)?.stepSeconds).toBe(50);
    const steps = rows.map(({ step }) => step);
    expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
    // Evenly enough: nothing early is lost.
    expect(steps[1]! - steps[0]!).toBeLessThan(200);
    expect(Math.max(...steps.slice(1).map((step, i) => step - steps[i]!))).toBeLessThan(500);
  });
});

test('thinning leaves at most half', () => {
  const rows = Array.from({ length: 800 }, (_, i) => row(i + 1, Math.sin(i), Math.cos(i)));
  expect(thinned(rows, 800).length).toBeLessThanOrEqual(400);
});

test('a job that tells no metric is thinned by its speed', () => {
  const rows = Array.from({ length: 800 }, (_, i) => ({ ...row(i + 1, 0, i === 333 ? 9 : 0.1), metrics: {} }));
  const kept = thinned(rows, 100);
  expect(kept.length).toBeLessThanOrEqual(50);
  expect(kept.map(({ step }) => step)).toEqual(expect.arrayContaining([334, 800]));
});
