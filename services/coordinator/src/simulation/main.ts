import { createDice } from './dice.ts';
import { faultText, scenarioOf } from './faults.ts';
import { shrink } from './shrink.ts';
import { simulate } from './simulate.ts';

/** `node main.js FIRST COUNT`: plays so many seeds, and prints what went wrong, shrunk. */
const [first = 1, count = 1000] = process.argv.slice(2).map(Number);
const kinds = new Map<string, number[]>();
const outcomes = new Map<string, number>();
const startedMs = performance.now();
for (let seed = first; seed < first + count; seed++) {
  const { violation, outcome = 'none' } = simulate(scenarioOf(seed, createDice(seed)));
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  if (violation === undefined) continue;
  const kind = violation.replace(/[0-9]+/g, '#').slice(0, 60);
  kinds.set(kind, [...(kinds.get(kind) ?? []), seed]);
}
const lines = [`${count} seeds in ${((performance.now() - startedMs) / 1000).toFixed(1)} s: ${JSON.stringify([...outcomes])}`];
for (const [kind, seeds] of kinds) lines.push(`${seeds.length} x ${kind}: seeds ${seeds.slice(0, 8).join(' ')}`);
const [worst] = [...kinds.values()];
if (worst !== undefined) {
  const { scenario, verdict } = shrink(scenarioOf(worst[0]!, createDice(worst[0]!)));
  lines.push(`seed ${scenario.seed}, min ${scenario.minWorkers}, max ${scenario.maxWorkers}, workers ${scenario.workers.join(' ')}`);
  for (const fault of scenario.faults) lines.push(`  ${faultText(fault)}`);
  lines.push(...verdict.transcript.slice(-70));
}
process.stdout.write(`${lines.join('\n')}\n`);
