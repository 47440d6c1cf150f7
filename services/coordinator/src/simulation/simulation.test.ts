import { expect, test } from '@jest/globals';
import { createDice } from './dice.ts';
import { explain } from './explain.ts';
import { scenarioOf } from './faults.ts';
import { simulate } from './simulate.ts';

/** Seeds are cheap: `node services/coordinator/dist/simulation/main.js FIRST COUNT` plays many more. */
const FIXED = 300;
const FRESH = 60;

const failing = (seeds: readonly number[]): string[] =>
  seeds.filter((seed) => simulate(scenarioOf(seed, createDice(seed))).violation !== undefined).map(explain);

test('whatever happens to a cluster, its job keeps its promises and ends', () => {
  expect(failing(Array.from({ length: FIXED }, (_, index) => index + 1))).toEqual([]);
});

test('the same with seeds that nobody has tried', () => {
  const first = Date.now() % 2 ** 31;
  expect(failing(Array.from({ length: FRESH }, (_, index) => first + index))).toEqual([]);
});

test('a scenario goes the same way each time, and its faults leave their mark', () => {
  const scenario = scenarioOf(3, createDice(3));
  const once = simulate(scenario);
  expect(simulate(scenario).transcript).toEqual(once.transcript);
  const calm = simulate({ ...scenario, faults: [] });
  expect(calm.violation).toBeUndefined();
  expect(once.transcript).not.toEqual(calm.transcript);
});

test('a job makes way for one of higher priority, and goes on and ends after it', () => {
  const rival = { atMs: 4000, type: 'rival', priority: 5, minWorkers: 2, forMs: 5000 } as const;
  const { violation, outcome, transcript } = simulate({ seed: 1, minWorkers: 2, maxWorkers: 8, workers: ['a', 'b'], faults: [rival] });
  expect([violation, outcome]).toEqual([undefined, 'succeeded']);
  const told = transcript.map((line) => line.replace(/^[\d.]+ +/, ''));
  const marks = [
    'job is pausing: preempted by "mae" (rival) of priority 5',
    'job is queued: preempted by "mae" (rival) of priority 5',
    'the rival has a b',
  ];
  const places = [...marks, 'state: goes on after it was preempted by "mae" (rival) of priority 5'].map((mark) => told.indexOf(mark));
  expect(places.every((place, i) => place > (places[i - 1] ?? -1))).toBe(true);
});
