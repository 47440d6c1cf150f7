import { expect, test } from '@jest/globals';
import { failureTimeouts, type StepCommitted } from '@maestro/protocol';
import { jobFacts } from '../../testing/runEvent.ts';
import { type JobRun, queuedRun } from '../state/runState.ts';
import type { Turn } from '../view/turn.ts';
import { acknowledge, commit } from './commitStep.ts';

const members = [{ name: 'a', id: 'a:1', address: 'a', firstRank: 0, ranks: 8 }];
const turnOf = (changes: Partial<JobRun> = {}): Turn => ({
  run: { ...queuedRun(jobFacts([]), 1, 0), step: 4, pastViews: [{ generation: 2, members }], failures: 3, blames: { a: 1 }, ...changes },
  effects: [],
  nowMs: 700,
  timeouts: failureTimeouts(5000),
});
const report = (step: number, stepSeconds = 1, generation = 2): StepCommitted => ({
  ...{ jobId: 'job-1', generation, step, images: 8, stepSeconds, ranks: [] },
  metrics: { loss: 1 },
});

test('a new step goes to the ledger with the members of its view, and clears what views before it had failed', () => {
  const turn = turnOf();
  commit(turn, report(5));
  expect(turn.effects).toEqual([
    { type: 'commitStep', committed: report(5), members },
    { type: 'enqueueShards', step: 5 },
  ]);
  expect(turn.run).toMatchObject({ step: 5, failures: 0, blames: {}, lastCommitMs: 700, stepSeconds: 1 });
});

test('a step of a view that is forgotten has no members, so that nobody is taken to have done it', () => {
  const turn = turnOf();
  commit(turn, report(5, 1, 1));
  expect(turn.effects[0]).toEqual({ type: 'commitStep', committed: report(5, 1, 1), members: [] });
});

test.each([4, 2])('step %i, which is known, is a sign of life and needs its data again, and no more', (step) => {
  const turn = turnOf();
  commit(turn, report(step, 100));
  expect(turn.effects).toEqual([{ type: 'enqueueShards', step }]);
  expect(turn.run).toMatchObject({ step: 4, failures: 3, blames: { a: 1 }, lastCommitMs: 700, stepSeconds: 0 });
});

test('the mean step time follows the newest steps', () => {
  const turn = turnOf({ stepSeconds: 1 });
  commit(turn, report(5, 2));
  expect(turn.run.stepSeconds).toBeCloseTo(1.2, 12);
});

test('a ledger that is ahead takes the run along, one that is behind does not take it back', () => {
  const turn = turnOf();
  acknowledge(turn, 3);
  acknowledge(turn, 4);
  expect(turn).toMatchObject({ run: { step: 4 }, effects: [] });
  acknowledge(turn, 9);
  expect(turn).toMatchObject({ run: { step: 9, failures: 3 }, effects: [{ type: 'enqueueShards', step: 9 }] });
});
