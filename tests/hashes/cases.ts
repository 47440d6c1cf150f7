import { smallJob } from '../support/cluster/smallJob.ts';

/** A job whose end is compared before and after a change. */
export interface HashCase {
  readonly name: string;
  readonly steps: number;
  /** Its job file, without `resources`. */
  readonly spec: (path: string) => Record<string, unknown>;
  /** The k-NN accuracy of what it trained is compared, not the hash. */
  readonly measures?: boolean;
}

const STEPS = 24;
const job =
  (name: string, options: Omit<Parameters<typeof smallJob>[0], 'path' | 'workers'> = {}, sections: object = {}) =>
  (path: string): Record<string, unknown> => ({ ...smallJob({ path, workers: 1, steps: STEPS, ...options }), ...sections, name });

/** One small job of each way to train. */
export const CASES: readonly HashCase[] = [
  { name: 'replicated', steps: STEPS, spec: job('replicated') },
  { name: 'sharded', steps: STEPS, spec: job('sharded', {}, { optimizer: { state: 'sharded' } }) },
  { name: 'bf16', steps: STEPS, spec: job('bf16', { sync: { mode: 'allReduce', allGather: 'bf16' } }) },
  { name: 'diloco', steps: STEPS, spec: job('diloco', { sync: { mode: 'diloco', replicas: 4, innerSteps: 5 } }) },
  {
    name: 'augmented',
    steps: STEPS,
    spec: job('augmented', {
      model: { normPixLoss: false, maskRatio: 0.5 },
      schedule: { lastBatch: 'keep', microBatch: 7 },
    }),
  },
  { name: 'knn', steps: STEPS, spec: job('knn'), measures: true },
];
