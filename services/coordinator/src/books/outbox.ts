import type { JobRun } from '../run/state/runState.ts';

/** What others are told, in order, none of it before the decisions that it follows from are persisted. */
export interface Outbox {
  /** Tells at once, or once all decisions up to now are persisted. */
  tell(action: () => void): void;
  /** A decision: what is told from now on waits for it. Gives what is to be called when it is persisted. */
  decide(): () => void;
  /** Whether a decision is not persisted yet. */
  readonly isWaiting: boolean;
}

/** Makes an empty outbox. */
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
      // What an action tells in its turn waits behind those that are already there.
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

/** Whether a transition decided what must not be lost once anybody was told: that the job ends, is held or goes on after that. */
export function isDecision(before: JobRun, after: JobRun): boolean {
  return before.phase !== after.phase && (DECIDED.has(before.phase) || DECIDED.has(after.phase));
}
