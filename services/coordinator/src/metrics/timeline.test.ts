import { describe, expect, test } from '@jest/globals';
import type { StepTimes } from '@maestro/protocol';
import { addTimes, findStraggler, lastTimes, type WorkerTimes } from './timeline.ts';

const times = (step: number, { wait = 0, lag = 0 } = {}): StepTimes => ({
  step,
  startMs: 0,
  data: 0,
  forward: 1 - wait,
  wait,
  reduceScatter: 0,
  allGather: 0,
  apply: 0,
  other: 0,
  lag,
});
const told = (steps: readonly StepTimes[]) => ({ jobId: 'job', generation: 1, steps });
const [a, b] = [
  { id: 'a:1', name: 'worker-a' },
  { id: 'b:1', name: 'worker-b' },
];
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('timeline', () => {
  test('holds the last steps of each worker, those computed again once', () => {
    let timeline: ReadonlyMap<string, WorkerTimes> = new Map();
    timeline = addTimes(timeline, b, told(range(1, 10).map((step) => times(step))));
    timeline = addTimes(timeline, a, told(range(1, 10).map((step) => times(step))));
    timeline = addTimes(timeline, a, told(range(8, 12).map((step) => times(step))));
    expect(lastTimes(timeline, 4).map(({ name, steps }) => [name, steps.map(({ step }) => step)])).toEqual([
      ['worker-a', [9, 10, 11, 12]],
      ['worker-b', [9, 10]],
    ]);
  });

  test('is bounded in steps and in workers', () => {
    let timeline: ReadonlyMap<string, WorkerTimes> = new Map();
    for (let i = 0; i < 100; i++)
      timeline = addTimes(timeline, { id: `w${i}`, name: `w${i}` }, told(range(1, 1000).map((step) => times(step))));
    expect(timeline.size).toBe(64);
    expect(timeline.get('w99')!.steps).toHaveLength(256);
    expect(timeline.has('w0')).toBe(false);
  });
});

describe('findStraggler', () => {
  test('names who comes last, and what share of the time the others wait for it', () => {
    const workers = [
      { name: 'a', steps: [times(1, { wait: 0.5 }), times(2, { wait: 0.5 }), times(3, { lag: 0.1 })] },
      { name: 'b', steps: [times(1, { lag: 0.5 }), times(2, { lag: 0.5 }), times(3, { wait: 0.1 })] },
    ];
    expect(findStraggler(workers)).toMatchObject({ name: 'b', seconds: 1 / 3 });
    expect(findStraggler(workers)!.share).toBeCloseTo(1 / 3);
  });

  test('names nobody among equals, nor a worker alone', () => {
    const equals = ['a', 'b'].map((name, i) => ({
      name,
      steps: range(1, 9).map((step) => times(step, { lag: step % 2 === i ? 0.02 : 0 })),
    }));
    expect(findStraggler(equals)).toBeUndefined();
    expect(findStraggler([{ name: 'a', steps: [times(1, { lag: 0 })] }])).toBeUndefined();
    expect(findStraggler([])).toBeUndefined();
  });
});
