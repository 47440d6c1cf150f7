import type { Scenario } from './faults.ts';
import { simulate, type Verdict } from './simulate.ts';

/** Drops faults, and workers, that a violation does not need. */
export function shrink(scenario: Scenario): { readonly scenario: Scenario; readonly verdict: Verdict } {
  let best = scenario;
  let verdict = simulate(scenario);
  const kind = kindOf(verdict);
  const attempt = (next: Scenario): boolean => {
    const result = simulate(next);
    if (kindOf(result) !== kind) return false;
    best = next;
    verdict = result;
    return true;
  };
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const fault of best.faults) {
      if (attempt({ ...best, faults: best.faults.filter((each) => each !== fault) })) isSmaller = true;
    }
    for (const name of best.workers.slice(best.minWorkers)) {
      if (attempt({ ...best, workers: best.workers.filter((each) => each !== name) })) isSmaller = true;
    }
  }
  return { scenario: best, verdict };
}

/** What kind of violation it was, whoever and whenever. */
function kindOf({ violation }: Verdict): string | undefined {
  return violation?.replace(/[0-9]+|\b[a-e]\b/g, '#').slice(0, 24);
}
