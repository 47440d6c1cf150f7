import type { JobRun } from '../run/state/runState.ts';

/**
 * Caution after jobs have failed before their first step. Until it ends, a job that has not done one either gets no workers from a running
 * job, unless that has a lower priority: otherwise a series of jobs with the same mistake would change the views of a good job twice for
 * each of them.
 */
export interface Caution {
  /** Number of jobs that failed this way, without a first step of any job between them. */
  readonly failures: number;
  readonly untilMs: number;
}

/** Its duration after one failure; doubled after each further one, up to {@link LONGEST_MS}. */
const FIRST_MS = 60_000;
const LONGEST_MS = 600_000;

/** Returns the caution after a job's transition: extended when the job failed before its first step, ended when it has done that. */
export function followCaution(caution: Caution | undefined, before: JobRun, after: JobRun, nowMs: number): Caution | undefined {
  if (hasStood(after)) return hasStood(before) ? caution : undefined;
  const hasFailed = before.phase !== 'ended' && after.phase === 'ended' && after.outcome?.state === 'failed';
  if (!hasFailed) return caution;
  const failures = (caution?.failures ?? 0) + 1;
  return { failures, untilMs: nowMs + Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS) };
}

/** Returns true when a run has committed a step of its own. */
export function hasStood({ step, facts }: Pick<JobRun, 'step' | 'facts'>): boolean {
  return step > facts.startPoint.step;
}

/** Describes why and until when a job waits. */
export function describeCaution({ failures, untilMs }: Caution): string {
  const who = failures === 1 ? 'a job failed before its first step' : `${failures} jobs in a row failed before their first step`;
  return `running jobs of its priority give up none before ${new Date(untilMs).toISOString()}, since ${who}`;
}
