import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { listCheckpoints, newestValidCheckpoint, type Retention, retainCheckpoints, writeCheckpoint } from '../index.ts';
import { stepsToRemove } from './retainCheckpoints.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'maestro-retention-'));
});
afterEach(() => rm(root, { recursive: true }));

async function write(step: number, state: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const list = (value: number) => [{ name: 'w', shape: [4], data: new Float32Array(4).fill(value + step) }];
  return (await writeCheckpoint({ root, step, parameters: list(1), firstMoments: list(2), secondMoments: list(3), state })).dir;
}

const steps = async () => (await listCheckpoints(root)).map(({ step }) => step);
const removed = (all: readonly number[], retention: Retention) =>
  stepsToRemove(
    all.map((step) => ({ step })),
    retention,
  );

test('the last checkpoints are kept, whatever is newer than the current one stays', () => {
  expect(removed([1, 2, 3, 4], { current: 4, keepLast: 2 })).toEqual([2, 1]);
  expect(removed([1, 2, 3, 4], { current: 4, keepLast: 1 })).toEqual([3, 2, 1]);
  expect(removed([1, 2, 3, 9], { current: 3, keepLast: 2 })).toEqual([1]);
  expect(removed([4], { current: 4, keepLast: 3 })).toEqual([]);
  expect(() => removed([4], { current: 4, keepLast: 0 })).toThrow('keepLast must be a whole number of 1 or more, found 0');
  expect(() => removed([4], { current: 4, keepLast: 1, keepBest: 0.5 })).toThrow('keepBest must be a whole number of 0 or more, found 0.5');
});

test('the first checkpoint at or after each multiple of keepEverySteps is kept', () => {
  const all = [50, 90, 110, 150, 200, 250, 290, 420, 430, 440];
  expect(removed(all, { current: 440, keepLast: 1, keepEverySteps: 100 })).toEqual([430, 290, 250, 150, 90, 50]);
});

test('the best by loss are kept, the newer of equals, and what has no loss is none of them', () => {
  const all = [
    { step: 1, loss: 0.2 },
    { step: 2, loss: 0.1 },
    { step: 3, loss: 0.1 },
    { step: 4 },
    { step: 5, loss: Number.NaN },
    { step: 6, loss: 0.3 },
  ];
  expect(stepsToRemove(all, { current: 6, keepLast: 1, keepBest: 1 })).toEqual([5, 4, 2, 1]);
  expect(stepsToRemove(all, { current: 6, keepLast: 1, keepBest: 3 })).toEqual([5, 4]);
});

test('kept once means kept until a better one comes: what a rule of steps keeps is kept whatever is written later', () => {
  const rules = fc.record({
    everySteps: fc.integer({ min: 1, max: 30 }),
    keepEverySteps: fc.integer({ min: 1, max: 90 }),
    count: fc.integer({ min: 1, max: 40 }),
  });
  fc.assert(
    fc.property(rules, ({ everySteps, keepEverySteps, count }) => {
      let there: number[] = [];
      for (let n = 1; n <= count; n++) {
        there.push(n * everySteps);
        const gone = removed(there, { current: n * everySteps, keepLast: 2, keepEverySteps });
        there = there.filter((step) => !gone.includes(step));
      }
      const last = count * everySteps;
      for (let multiple = keepEverySteps; multiple <= last; multiple += keepEverySteps) {
        const first = Math.ceil(multiple / everySteps) * everySteps;
        if (first <= last && first < multiple + keepEverySteps) expect(there).toContain(first);
      }
      expect(there).toContain(last);
    }),
  );
});

test('retention removes the folders of old checkpoints, and reads losses from their states', async () => {
  for (const [step, loss] of [0.5, 0.1, 0.3, 0.4].entries()) await write(step, { loss });
  await writeFile(join(root, 'step-00000000', 'state.json'), 'damaged');
  expect(await retainCheckpoints(root, { current: 3, keepLast: 1, keepBest: 1 })).toEqual([2, 0]);
  expect((await readdir(root)).sort()).toEqual(['step-00000001', 'step-00000003']);
});

test('the newest checkpoint that looks whole is never removed, though the rules let it go', async () => {
  for (const step of [1, 2, 3, 4]) await write(step);
  for (const step of [3, 4]) await truncate(join(root, `step-0000000${step}`, 'model.safetensors'), 7);
  expect(await retainCheckpoints(root, { current: 4, keepLast: 1 })).toEqual([3, 1]);
  expect(await steps()).toEqual([2, 4]);
  expect((await newestValidCheckpoint(root)).checkpoint?.step).toBe(2);
});
