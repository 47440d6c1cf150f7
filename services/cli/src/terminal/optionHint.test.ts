import { expect, test } from '@jest/globals';
import { withOptionHint } from './optionHint.ts';

test.each([
  ['--job', 'the job is an argument, not an option: maestro describe JOB'],
  ['--job-id', 'the job is an argument, not an option: maestro describe JOB'],
  ['--batch-size', 'a key of the job file: maestro submit --set schedule.microBatch=...'],
  ['--lr', 'a key of the job file: maestro submit --set schedule.baseLr=...'],
  ['--epochs', 'a key of the job file: maestro submit --set schedule.epochs=...'],
  ['--num_workers', 'a key of the job file: maestro submit --set resources.minWorkers=...'],
])('%s, as other programs have it, is answered with ours', (option, hint) => {
  expect(withOptionHint(`error: unknown option '${option}'\n(Did you mean --json?)\n`)).toBe(
    `error: unknown option '${option}'\n(${hint})\n`,
  );
});

test('other errors stay as they are', () => {
  for (const text of ["error: unknown option '--stat'\n(Did you mean --state?)\n", "error: unknown command 'jbos'\n"]) {
    expect(withOptionHint(text)).toBe(text);
  }
});
