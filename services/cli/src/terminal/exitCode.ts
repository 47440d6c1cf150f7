import type { Job } from '@maestro/protocol';

const EXIT_CODES: Readonly<Record<string, number>> = { succeeded: 0, failed: 1, cancelled: 3 };

/** Returns the exit code of a command that has followed a job to its end. */
export function exitCodeOf({ state }: Job): number {
  return EXIT_CODES[state] ?? 1;
}
