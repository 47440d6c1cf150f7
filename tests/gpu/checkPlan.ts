import type { Device } from '@maestro/protocol';
import type { CaseName } from './trainingCase.ts';

/** The parts of the check, in their order. */
export const PARTS = ['gradients', 'repeatability', 'curve', 'throughput', 'torch'] as const;
export type Part = (typeof PARTS)[number];

/** What is checked, and how large. */
export interface CheckPlan {
  readonly device: Device;
  readonly parts: readonly Part[];
  readonly models: readonly CaseName[];
  /** The model that is timed, in which batches, and how often each. */
  readonly timedModel: CaseName;
  readonly batches: readonly number[];
  readonly runs: number;
}
