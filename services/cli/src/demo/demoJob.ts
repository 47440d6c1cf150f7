import type { DataSpec } from '@maestro/protocol';

/** Default steps of the demo: about two minutes on two cores. */
export const STEPS = 640;
const VIRTUAL_RANKS = 8;
const MICRO_BATCH = 8;

/** Options of {@link demoJob}. */
export interface DemoJobOptions {
  readonly data: DataSpec;
  readonly channels: 1 | 3;
  readonly workers: number;
  /** Number of images in the data set. */
  readonly samples: number;
  readonly steps?: number;
}

/**
 * Returns the demo's job file: the tiny preset at 32 x 32, with a schedule that shows garments after two minutes on two cores. Pixels are
 * predicted unnormalised (no normPixLoss), so that the picture needs nothing of the original.
 */
export function demoJob({ data, channels, workers, samples, steps = STEPS }: DemoJobOptions): Record<string, unknown> {
  return {
    name: 'demo',
    model: { preset: 'mae_vit_tiny_patch4', imageSize: 32, channels, normPixLoss: false },
    data,
    augment: { scale: [0.6, 1] },
    schedule: {
      steps,
      baseLr: 4e-3,
      microBatch: Math.max(1, Math.min(MICRO_BATCH, Math.floor(samples / VIRTUAL_RANKS))),
    },
    // One worker suffices to continue if another is lost.
    resources: { virtualRanks: VIRTUAL_RANKS, minWorkers: 1, maxWorkers: workers },
    checkpoint: { everySteps: 100 },
    seed: 0,
  };
}
