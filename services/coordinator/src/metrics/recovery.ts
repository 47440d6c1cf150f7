import type { JobRun } from '../run/state/runState.ts';

/** Phases of a recovery: until all have stopped, until a new view is formed, until its first step is committed. */
const RECOVERY_PHASES = ['hold', 'form', 'resume'] as const;

/** A name in {@link RECOVERY_PHASES}. */
export type RecoveryPhase = (typeof RECOVERY_PHASES)[number];

/** A recovery in progress. */
export interface Recovery {
  readonly phase: RecoveryPhase;
  readonly sinceMs: number;
}

/** Follows a run: returns the recovery in progress, and the phase that has just ended. A job's first view is not a recovery. */
export function followRecovery(
  recovery: Recovery | undefined,
  before: JobRun,
  after: JobRun,
  nowMs: number,
): { readonly recovery: Recovery | undefined; readonly ended?: { readonly phase: RecoveryPhase; readonly seconds: number } } {
  if (after.phase !== 'running' && after.phase !== 'starting') return { recovery: undefined };
  const status = after.view?.status;
  if (recovery === undefined) {
    const isBroken = before.view?.status === 'working' && status !== 'working';
    return { recovery: isBroken ? { phase: 'hold', sinceMs: nowMs } : undefined };
  }
  const seconds = (nowMs - recovery.sinceMs) / 1000;
  const turn = (phase: RecoveryPhase) => ({ recovery: { phase, sinceMs: nowMs }, ended: { phase: recovery.phase, seconds } });
  if (recovery.phase === 'hold') return status === 'forming' ? turn('form') : { recovery };
  if (status !== 'working' && status !== 'forming') return turn('hold'); // the new view broke as well
  if (recovery.phase === 'form') return status === 'working' ? turn('resume') : { recovery };
  if (after.lastCommitMs <= recovery.sinceMs) return { recovery };
  return { recovery: undefined, ended: { phase: 'resume', seconds } };
}
