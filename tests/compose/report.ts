import { type StepReport, timeStep, type Work } from './stage.ts';

const WORDS: Readonly<Record<StepReport['outcome'], string>> = { passed: 'ok    ', failed: 'FAILED', skipped: 'left out' };

/** Prints each step in a line when it has been taken, and counts. */
export interface Report {
  /** Prints a step that was taken elsewhere. */
  add(step: StepReport): void;
  /** Takes a step, prints it, and says whether it passed. */
  take(name: string, work: Work): Promise<boolean>;
  print(line: string): void;
  readonly counts: Readonly<Record<StepReport['outcome'], number>>;
}

/** A report on standard output. */
export function openReport(): Report {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const add = (step: StepReport): void => {
    const { name, seconds, note, outcome } = step;
    counts[outcome]++;
    print(`${WORDS[outcome].padEnd(8)}  ${name.padEnd(64)} ${seconds.toFixed(1).padStart(6)} s  ${note}`);
  };
  return { add, print, counts, take: async (name, work) => (await timeStep(name, work, add)) === 'passed' };
}

/** "N passed, N failed, N skipped". */
export const countLine = ({ passed, failed, skipped }: Report['counts']): string =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`;
