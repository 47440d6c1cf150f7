import { describe, expect, test } from '@jest/globals';
import type { StateShard } from '@maestro/protocol';
import { jobFacts } from '../../testing/runEvent.ts';
import { holdersOf, newestState } from './newestState.ts';
import { type JobRun, newWorker, queuedRun, type RunWorker } from './runState.ts';

const LENGTH = 90;
const worker = (name: string, changes: Partial<RunWorker> = {}): RunWorker => ({
  ...newWorker({ name, id: `${name}:1`, address: name }, 0),
  status: 'held',
  ...changes,
});
const part = (step: number, first: number, isStored = false): StateShard => ({ step, first, length: 30, isWhole: true, isStored });
const runOf = (workers: readonly RunWorker[], changes: Partial<JobRun> = {}, words: readonly string[] = []): JobRun => ({
  ...queuedRun(jobFacts(words), 1, 0),
  workers,
  checkpointStep: 0,
  common: { by: 'a', identity: {}, datasetLength: 800, stateLength: LENGTH },
  ...changes,
});
const told = (run: JobRun) => {
  const { step, holders, isInMemory } = newestState(run);
  return [step, holders.map(({ name }) => name).join(' '), isInMemory];
};

describe('the newest state of members that each hold all of it', () => {
  test('is the furthest of those that wait and stay', () => {
    const waiting = [worker('a', { state: 4 }), worker('b', { state: 5 }), worker('c', { state: 5 })];
    expect(told(runOf(waiting))).toEqual([5, 'b c', true]);
    const others: Partial<RunWorker>[] = [{ status: 'working' }, { drain: 'told to' }, { isReleased: true }, { awaySinceMs: 1 }];
    for (const other of others) expect(told(runOf([...waiting, worker('d', { state: 9, ...other })]))).toEqual([5, 'b c', true]);
  });

  test('is none where nobody has one', () => {
    expect(told(runOf([worker('a'), worker('b', { status: 'ready' })]))).toEqual([-1, '', true]);
  });
});

describe('the newest state in parts', () => {
  const sharded = (workers: readonly RunWorker[], changes: Partial<JobRun> = {}) => {
    const { restore: _, ...run } = runOf(workers, changes, ['optimizer.state=sharded']);
    return run;
  };
  const owner = (name: string, step: number, first: number, changes: Partial<RunWorker> = {}) =>
    worker(name, { shards: [part(step, first)], ...changes });

  test('is that which all parts cover; one that wants to leave hands its part on first', () => {
    const run = sharded([owner('a', 6, 0), owner('b', 6, 30, { drain: 'told to' }), owner('c', 6, 60)]);
    expect(told(run)).toEqual([6, 'a b c', true]);
    expect(holdersOf(newestState(run)).map(({ name, first }) => [name, first])).toEqual([
      ['a', 0],
      ['b', 30],
      ['c', 60],
    ]);
  });

  test('is none where an element is missing, or a checkpoint is newer', () => {
    expect(told(sharded([owner('a', 6, 0), owner('c', 6, 60)]))).toEqual([-1, '', true]);
    const whole = [owner('a', 6, 0), owner('b', 6, 30), owner('c', 6, 60)];
    expect(told(sharded(whole, { checkpointStep: 7 }))).toEqual([-1, '', true]);
    expect(told(sharded(whole, { checkpointStep: 6 }))).toEqual([6, 'a b c', true]);
    expect(told({ ...sharded(whole), restore: { path: '/c/7', step: 7 } })).toEqual([-1, '', true]);
  });

  test('is read from copies on disk only where memory does not have all of it', () => {
    const [a, b] = [worker('a', { shards: [part(6, 0), part(6, 30, true)] }), worker('b', { shards: [part(6, 60)] })];
    const fromDisk = sharded([a, b]);
    expect(told(fromDisk)).toEqual([6, 'a b', false]);
    expect(holdersOf(newestState(fromDisk)).map(({ first, isStored }) => [first, isStored])).toEqual([
      [0, false],
      [30, true],
      [60, false],
    ]);
    const inMemory = sharded([a, b, owner('c', 6, 30)]);
    expect(told(inMemory)).toEqual([6, 'a b c', true]);
    expect(holdersOf(newestState(inMemory)).some(({ isStored }) => isStored)).toBe(false);
  });
});
