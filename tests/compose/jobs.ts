import { smallJob } from '../support/cluster/smallJob.ts';

/** How far checkpoints are apart that runs are compared by. */
export const CHECKPOINT_STEPS = 200;

/**
 * The jobs that are trained on the stack and on this machine alone, on images at `path`: one that ends by itself, and one that outlasts any
 * story.
 */
export function jobsOf(path: string): { readonly short: Record<string, unknown>; readonly long: Record<string, unknown> } {
  const job = (steps: number) =>
    smallJob({
      path,
      workers: 1,
      steps,
      checkpoint: { everySteps: CHECKPOINT_STEPS, keepLast: 10_000 },
      resources: { minWorkers: 1, maxWorkers: 4 },
    });
  return { short: job(200), long: job(100_000) };
}
