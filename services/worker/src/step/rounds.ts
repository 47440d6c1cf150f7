import type { DilocoSpec } from '@maestro/protocol';
import { type CheckpointRules, keepEverySteps } from '../checkpoint/checkpointRules.ts';

/** Returns whether an outer step follows when `done` steps are done: after every `innerSteps`, and at the end of the run. */
export function isRoundEnd(done: number, { innerSteps }: Pick<DilocoSpec, 'innerSteps'>, totalSteps: number): boolean {
  return done % innerSteps === 0 || done === totalSteps;
}

/**
 * Returns whether a checkpoint is due at the end of a round, with `done` steps done: one was due after it, or within it, where replicas
 * differ and there is no single set of parameters to write.
 */
export function isRoundCheckpointDue(done: number, { innerSteps }: Pick<DilocoSpec, 'innerSteps'>, rules: CheckpointRules): boolean {
  const before = Math.floor((done - 1) / innerSteps) * innerSteps;
  return [rules.everySteps, keepEverySteps(rules)].some(
    (period) => period !== undefined && Math.floor(done / period) > Math.floor(before / period),
  );
}
