/** A job that has waited for so long counts one priority higher: everybody's turn comes. */
const AGING_MS = 3_600_000;

/** The priority that a job has come to by waiting, in all, for `waitedMs`. It orders jobs; it never makes one pause another of its own priority. */
export function effectivePriority(priority: number, waitedMs: number): number {
  return priority + Math.floor(waitedMs / AGING_MS);
}
