/** When checkpoints are written and which stay: the job file's `checkpoint` section, and what it is counted in. */
export interface CheckpointRules {
  /** Default: none is due by itself. */
  readonly everySteps?: number;
  readonly keepLast: number;
  readonly keepEveryEpochs?: number | undefined;
  readonly keepBest?: number | undefined;
  /** Needed for `keepEveryEpochs`. */
  readonly stepsPerEpoch?: number;
}

/** Steps in `keepEveryEpochs` epochs; undefined without that rule. */
export function keepEverySteps({ keepEveryEpochs, stepsPerEpoch }: CheckpointRules): number | undefined {
  return keepEveryEpochs === undefined || stepsPerEpoch === undefined ? undefined : keepEveryEpochs * stepsPerEpoch;
}

/** Whether a checkpoint is due after `step`: at multiples of `everySteps`, and at the end of each epoch that `keepEveryEpochs` keeps. */
export function isCheckpointDue(step: number, rules: CheckpointRules): boolean {
  const periods = [rules.everySteps, keepEverySteps(rules)];
  return step > 0 && periods.some((period) => period !== undefined && step % period === 0);
}

const FIRST_RETRY_MS = 5000;
const LONGEST_RETRY_MS = 60_000;

/** How long to wait after so many failures in a row (1 or more), in milliseconds: 5 s, doubling to 60 s. */
export function retryDelayMs(failures: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LONGEST_RETRY_MS);
}
