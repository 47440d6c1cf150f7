import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openScenarioRunner, type ScenarioRunner } from './runScenario.ts';
import { SCENARIOS } from './scenarios.ts';

/** One of each sort, and quick; all of them run with `npm run scenarios`. */
const QUICK = ['kill-in-reduce-scatter', 'same-name', 'coordinator-running', 'redis-killed', 'flipped-byte', 'sigterm'];

let runner: ScenarioRunner;
beforeAll(async () => {
  runner = await openScenarioRunner();
});
afterAll(() => runner.close());

test.each(SCENARIOS.filter(({ name }) => QUICK.includes(name)).map((scenario) => [scenario.story, scenario] as const))(
  '%s: the job ends with the bits of an undisturbed one',
  async (_, scenario) => {
    const { problems, isHashEqual, isAuditClean } = await runner.run(scenario);
    expect({ problems, isHashEqual, isAuditClean }).toEqual({ problems: [], isHashEqual: true, isAuditClean: true });
  },
  150_000,
);

test('names are unique, and every quick scenario exists', () => {
  const names = SCENARIOS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(expect.arrayContaining(QUICK));
});
