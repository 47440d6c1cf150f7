import { expect, test } from '@jest/globals';
import { failureTimeouts } from '@maestro/protocol';
import { jobFacts, runEvent } from '../../testing/runEvent.ts';
import { transition } from '../jobRun.ts';
import { queuedRun } from '../state/runState.ts';

const timeouts = failureTimeouts(5000);
const WORKERS = ['a', 'b', 'c'];

test('times that swing do not deal the ranks again and again: the next time comes a minute later, then two', () => {
  let run = queuedRun(jobFacts([]), 1, 0);
  let nowMs = 0;
  const tell = (line: string): void => {
    run = transition(run, runEvent(line, run), { nowMs, timeouts }).run;
  };
  tell('assigned a b c');
  for (const name of WORKERS) tell(`ready ${name}`);
  for (const name of WORKERS) tell(`formed ${name} 0`);
  const rebalancings: number[] = [];
  for (let step = 1; step < 990; step++) {
    nowMs += 1000;
    // Now one is slow, now another.
    const slow = WORKERS[Math.floor(step / 8) % 3];
    for (const name of WORKERS) tell(`heartbeat ${name} ${step} compute 0 - ${name === slow ? 0.6 : 0.1}`);
    const before = run.records.filter(({ type }) => type === 'rebalance').length;
    tell(`committed a ${step}`);
    if (run.records.filter(({ type }) => type === 'rebalance').length > before) rebalancings.push(nowMs);
    if (run.view?.status === 'holding' && run.view.notBefore! <= step) {
      for (const name of WORKERS) tell(`held ${name} ${step}`);
      for (const name of WORKERS) tell(`formed ${name} ${step}`);
    }
  }
  const pauses = rebalancings.slice(1).map((ms, index) => ms - rebalancings[index]!);
  expect(rebalancings.length).toBeGreaterThan(2);
  expect(rebalancings.length).toBeLessThan(6);
  for (const [index, pause] of pauses.entries()) expect(pause).toBeGreaterThanOrEqual(60_000 * 2 ** index);
});
