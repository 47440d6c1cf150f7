import type { JobRun } from '../run/state/runState.ts';

/**
 * Jobs have failed before their first step. Until it ends, a job that has not done one either gets no workers from a running job, unless
 * that has a lower priority: a series of jobs with the same mistake would otherwise change the views of a good job twice for each of them.
 */
export interface Caution {
  /** Jobs that failed so, with no first step of any job between them. */
  readonly failures: number;
  readonly untilMs: number;
}

/** It lasts so long after one failure, twice as long after each further one, and at most {@link LONGEST_MS}. */
const FIRST_MS = 60_000;
const LONGEST_MS = 600_000;

/** The caution after a transition of some job: longer when the job failed before its first step, over when it has done that. */
export function followCaution(caution: Caution | undefined, before: JobRun, after: JobRun, nowMs: number): Caution | undefined {
  if (hasStood(after)) return hasStood(before) ? caution : undefined;
  const hasFailed = before.phase !== 'ended' && after.phase === 'ended' && after.outcome?.state === 'failed';
  if (!hasFailed) return caution;
  const failures = (caution?.failures ?? 0) + 1;
  return { failures, untilMs: nowMs + Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS) };
}

/** Whether a run has committed a step of its own. */
export function hasStood({ step, facts }: Pick<JobRun, 'step' | 'facts'>): boolean {
  return step > facts.startPoint.step;
}

/** Why a job waits, and how long, in words. */
export function describeCaution({ failures, untilMs }: Caution): string {
  const who = failures === 1 ? 'a job failed before its first step' : `${failures} jobs in a row failed before their first step`;
  return `running jobs of its priority give up none before ${new Date(untilMs).toISOString()}, since ${who}`;
}
