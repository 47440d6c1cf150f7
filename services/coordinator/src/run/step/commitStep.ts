import type { StepCommitted } from '@maestro/protocol';
import { effect, type Turn, update } from '../view/turn.ts';
import { countBroken } from './brokenImages.ts';

/** Weight of the newest step in the mean step time. */
const STEP_WEIGHT = 0.2;

/** Commits a step to the ledger, whoever reports it first. */
export function commit(turn: Turn, committed: StepCommitted): void {
  const { step, stepSeconds } = committed;
  const { run } = turn;
  if (step <= run.step) {
    // Recomputed after all workers were lost: known to the ledger, but a sign of life, and its shards are needed again.
    update(turn, { lastCommitMs: turn.nowMs });
    return effect(turn, { type: 'enqueueShards', step });
  }
  const members = run.pastViews.find(({ generation }) => generation === committed.generation)?.members ?? [];
  effect(turn, { type: 'commitStep', committed, members });
  effect(turn, { type: 'enqueueShards', step });
  update(turn, {
    step,
    failures: 0,
    blames: {},
    lastCommitMs: turn.nowMs,
    stepSeconds: run.stepSeconds === 0 ? stepSeconds : run.stepSeconds * (1 - STEP_WEIGHT) + stepSeconds * STEP_WEIGHT,
  });
  countBroken(turn, committed);
}

/** The ledger is ahead of the run: an earlier coordinator wrote it. */
export function acknowledge(turn: Turn, step: number): void {
  if (step <= turn.run.step) return;
  update(turn, { step });
  effect(turn, { type: 'enqueueShards', step });
}
