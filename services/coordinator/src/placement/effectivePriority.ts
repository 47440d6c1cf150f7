/** Waiting time that raises a job's priority by one: every job's turn comes. */
const AGING_MS = 3_600_000;

/**
 * Returns a job's priority after waiting for a total of `waitedMs`. It orders jobs; it never makes one pause another of the same priority.
 */
export function effectivePriority(priority: number, waitedMs: number): number {
  return priority + Math.floor(waitedMs / AGING_MS);
}
