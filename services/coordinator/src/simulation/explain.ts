import '@maestro/recipes';
import { createDice } from './dice.ts';
import { faultText, scenarioOf } from './faults.ts';
import { shrink } from './shrink.ts';

/** Lines of a transcript that are shown: the last ones lead to what went wrong. */
const SHOWN = 70;

/** What went wrong with a seed, with as few faults as show it. */
export function explain(seed: number): string {
  const { scenario, verdict } = shrink(scenarioOf(seed, createDice(seed)));
  const { minWorkers, maxWorkers, workers, faults } = scenario;
  return [
    `seed ${seed}: ${verdict.violation}`,
    `workers ${workers.join(' ')}, at least ${minWorkers} and at most ${maxWorkers}; faults:`,
    ...faults.map((fault) => `  ${faultText(fault)}`),
    ...verdict.transcript.slice(-SHOWN),
  ].join('\n');
}
