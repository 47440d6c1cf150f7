import type { JobRun } from '../run/state/runState.ts';

/** Queues outgoing messages in order, and holds each back until the decisions that it follows from are persisted. */
export interface Outbox {
  /** Runs the action at once, or once all decisions up to now are persisted. */
  tell(action: () => void): void;
  /** Registers a decision: later messages wait for it. Returns a function to call when it is persisted. */
  decide(): () => void;
  /** True while a decision is not persisted yet. */
  readonly isWaiting: boolean;
}

/** Creates an empty outbox. */
export function createOutbox(): Outbox {
  const queue: ({ readonly action: () => void } | { isWritten: boolean })[] = [];
  const flush = (): void => {
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      if ('isWritten' in next && !next.isWritten) return;
      queue.shift();
      if ('action' in next) next.action();
    }
  };
  return {
    tell(action) {
      queue.push({ action });
      // Messages queued by an action wait behind those already there.
      if (queue.length === 1) flush();
    },
    decide() {
      const decision = { isWritten: false };
      queue.push(decision);
      return () => {
        decision.isWritten = true;
        flush();
      };
    },
    get isWaiting() {
      return queue.some((entry) => 'isWritten' in entry && !entry.isWritten);
    },
  };
}

const DECIDED: ReadonlySet<JobRun['phase']> = new Set(['pausing', 'paused', 'stopping', 'ended']);

/**
 * Returns true when a transition decided something that must not be lost once announced: that the job ends, is held or continues after
 * that, and what its precision is.
 */
export function isDecision(before: JobRun, after: JobRun): boolean {
  if (after.choice !== before.choice) return true;
  return before.phase !== after.phase && (DECIDED.has(before.phase) || DECIDED.has(after.phase));
}
