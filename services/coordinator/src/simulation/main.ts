import '@maestro/recipes';
import { createDice } from './dice.ts';
import { explain } from './explain.ts';
import { scenarioOf } from './faults.ts';
import { simulate } from './simulate.ts';

/** `node main.js FIRST COUNT` plays so many seeds, counts what went wrong by kind, and explains one of each. */
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
const counts = [...outcomes].map(([outcome, seeds]) => `${seeds} ${outcome}`).join(', ');
const lines = [`${count} seeds in ${((performance.now() - startedMs) / 1000).toFixed(1)} s: ${counts}`];
for (const [kind, seeds] of kinds) lines.push(`${seeds.length} x ${kind}: seeds ${seeds.slice(0, 8).join(' ')}`);
for (const [seed] of kinds.values()) lines.push('', explain(seed!));
process.stdout.write(`${lines.join('\n')}\n`);
process.exitCode = kinds.size > 0 ? 1 : 0;
