import { expect, test } from '@jest/globals';
import { parseJobSpec } from '@maestro/protocol';
import { type JobRun, newWorker, queuedRun } from '../run/state/runState.ts';
import { placementInput } from './placementInput.ts';

const HOUR_MS = 3_600_000;
const SILENCE_MS = 5000;

const spec = parseJobSpec({
  priority: 2,
  data: { format: 'idx', path: '/data' },
  schedule: { steps: 10 },
  resources: { virtualRanks: 8, minWorkers: 2, maxWorkers: 4 },
});
const worker = (name: string) => ({ name, id: `${name}:1`, address: '', device: 'cpu' });
const runOf = (changes: Partial<JobRun>): JobRun => ({
  ...queuedRun({ id: 'job', spec, startPoint: { path: '', step: 0 } }, 1, 0),
  ...changes,
});
const inputOf = (run: JobRun, nowMs: number, workers: Parameters<typeof placementInput>[0]['workers'] = []) =>
  placementInput({ runs: [run], workers, nowMs, silenceMs: SILENCE_MS, startedMs: 0 });

test('connected workers are free, leave their job, stay with it, or get no job any more', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => newWorker(worker(name), 0));
  const away = { ...newWorker(worker('away'), 0), awaySinceMs: 1 };
  const run = runOf({ phase: 'running', workers: [a!, { ...b!, drain: 'preempted' }, { ...c!, isReleased: true }, away] });
  const connected = [...'abcdf'].map((name) => ({ hello: worker(name), jobId: name === 'f' ? '' : 'job', isDrained: name === 'd' }));
  const input = inputOf(run, 10, connected);
  expect(input.free).toEqual([worker('f')]);
  expect(input.leaving!.map(({ name }) => name)).toEqual(['b', 'c']);
  expect(input.jobs).toMatchObject([{ id: 'job', isStarted: true, present: 2, workers: [{ name: 'a' }], minWorkers: 2, maxWorkers: 4 }]);
});

test('all workers of a job that pauses are on their way, and it asks for none itself', () => {
  const run = runOf({ phase: 'pausing', workers: [newWorker(worker('a'), 0)] });
  const input = inputOf(run, 10, [{ hello: worker('a'), jobId: 'job', isDrained: false }]);
  expect([input.jobs, input.leaving]).toEqual([[], [worker('a')]]);
});

test('waiting counts in the queue alone, what it waited before included', () => {
  const rankOf = (changes: Partial<JobRun>): number => inputOf(runOf(changes), 5 * HOUR_MS).jobs[0]!.rank;
  expect(rankOf({ queuedMs: 4.5 * HOUR_MS })).toBe(2);
  expect(rankOf({ queuedMs: 2 * HOUR_MS })).toBe(5);
  expect(rankOf({ queuedMs: 4 * HOUR_MS, waitedMs: 2 * HOUR_MS })).toBe(5);
  expect(rankOf({ phase: 'running', queuedMs: 0, waitedMs: HOUR_MS })).toBe(3);
});

test('a job is stuck when it has lacked workers for six failure timeouts; a coordinator settles for one', () => {
  const run = runOf({ phase: 'starting', shortSinceMs: 1000 });
  expect(inputOf(run, 1000 + 6 * SILENCE_MS).jobs[0]!.isStuck).toBe(false);
  expect(inputOf(run, 1001 + 6 * SILENCE_MS).jobs[0]!.isStuck).toBe(true);
  expect([inputOf(run, SILENCE_MS - 1).isSettling, inputOf(run, SILENCE_MS).isSettling]).toEqual([true, false]);
});
