import { readFileSync } from 'node:fs';
import type { Trainer } from '@maestro/engine';
import { fixturePath } from './fixture.ts';
import { type DeviceOptions, formulaBatch, type TrainingCase } from './trainingCase.ts';

/** Steps of the run, and images in each. */
export const CURVE_STEPS = 200;
export const CURVE_IMAGES = 8;
/** A device's float32 wanders off within some steps; the shape of the curve does not. */
const TOLERANCE = 0.05;

/** How the losses of a run compare with the CPU's. */
export interface CurveResult {
  readonly steps: number;
  readonly first: number;
  readonly last: number;
  /** Every tenth loss. */
  readonly losses: readonly number[];
  /** Largest |loss - expected| / expected of these. */
  readonly largestDeviation: number;
  readonly tolerance: number;
  readonly isLikeCpu: boolean;
}

/** Trains the case for {@link CURVE_STEPS} steps on one batch and gives every tenth loss. */
export async function trainingLosses(each: TrainingCase, options: DeviceOptions): Promise<number[]> {
  const trainer: Trainer = await each.open(CURVE_IMAGES, options);
  try {
    const batch = formulaBatch(each.config, CURVE_IMAGES);
    const losses: number[] = [];
    for (let step = 1; step <= CURVE_STEPS; step++) {
      const { loss } = await trainer.forwardBackward(batch);
      if (step % 10 === 1) losses.push(loss);
      await trainer.pushLeaf();
      await trainer.keepReduced();
      await trainer.apply({ lr: 1e-3 * Math.min(1, step / 20), step });
    }
    return losses;
  } finally {
    await trainer.close();
  }
}

/** Trains and compares with the committed curve of the CPU. */
export async function checkCurve(each: TrainingCase, options: DeviceOptions): Promise<CurveResult> {
  const { losses: expected } = JSON.parse(readFileSync(fixturePath('curve'), 'utf8')) as { readonly losses: readonly number[] };
  const losses = await trainingLosses(each, options);
  const largestDeviation = Math.max(...losses.map((loss, i) => Math.abs(loss - expected[i]!) / expected[i]!));
  return {
    steps: CURVE_STEPS,
    first: losses[0]!,
    last: losses.at(-1)!,
    losses,
    largestDeviation,
    tolerance: TOLERANCE,
    isLikeCpu: largestDeviation <= TOLERANCE && losses.at(-1)! < losses[0]!,
  };
}
