/** Rules for writing and keeping checkpoints: the job file's `checkpoint` section, and the unit it counts in. */
export interface CheckpointRules {
  /** Default: none is due automatically. */
  readonly everySteps?: number;
  readonly keepLast: number;
  readonly keepEveryEpochs?: number | undefined;
  readonly keepBest?: number | undefined;
  /** Required for `keepEveryEpochs`. */
  readonly stepsPerEpoch?: number;
}

/** Returns the steps in `keepEveryEpochs` epochs; undefined without that rule. */
export function keepEverySteps({ keepEveryEpochs, stepsPerEpoch }: CheckpointRules): number | undefined {
  return keepEveryEpochs === undefined || stepsPerEpoch === undefined ? undefined : keepEveryEpochs * stepsPerEpoch;
}

/**
 * Returns true when a checkpoint is due after `step`: at multiples of `everySteps`, and at the end of each epoch that `keepEveryEpochs`
 * keeps.
 */
export function isCheckpointDue(step: number, rules: CheckpointRules): boolean {
  const periods = [rules.everySteps, keepEverySteps(rules)];
  return step > 0 && periods.some((period) => period !== undefined && step % period === 0);
}

const FIRST_RETRY_MS = 5000;
const LONGEST_RETRY_MS = 60_000;

/** Returns the back-off after this many consecutive failures (at least 1), in milliseconds: 5 s, doubling to 60 s. */
export function retryDelayMs(failures: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LONGEST_RETRY_MS);
}
