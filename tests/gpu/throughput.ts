import { median } from '../bench/median.ts';
import { type DeviceOptions, formulaBatch, type TrainingCase } from './trainingCase.ts';

/** Where the time of a training step goes, in milliseconds (medians). */
export interface StepTimes {
  readonly batch: number;
  readonly engine: string;
  /** Whether parameters, gradients and moments stay on the device. */
  readonly isResident: boolean;
  readonly imagesPerSecond: number;
  readonly stepMs: number;
  /** Host to device: of images alone when resident, else of parameters too; then compute; then, if not resident, gradients back. */
  readonly forwardBackwardMs: number;
  /** Device to host: the sum of the step's gradients, once a step. */
  readonly fetchMs: number;
  /** Host to device: the reduced gradient; then AdamW. */
  readonly applyMs: number;
}

/** Times whole training steps: forward and backward, the gradient to where peers would be sent it, AdamW. */
export async function timeSteps(each: TrainingCase, batch: number, runs: number, options: DeviceOptions): Promise<StepTimes> {
  const trainer = await each.open(batch, options);
  try {
    const inputs = formulaBatch(each.config, batch);
    const times: { forward: number; fetch: number; apply: number; step: number }[] = [];
    for (let step = 1; step <= runs + 1; step++) {
      const started = performance.now();
      await trainer.forwardBackward(inputs);
      const forwarded = performance.now();
      await trainer.pushLeaf();
      await trainer.takeReduced();
      const fetched = performance.now();
      await trainer.apply({ lr: 1e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.05, step });
      const ended = performance.now();
      // The first warms up.
      if (step > 1) times.push({ forward: forwarded - started, fetch: fetched - forwarded, apply: ended - fetched, step: ended - started });
    }
    const of = (kind: keyof (typeof times)[number]): number => Math.round(100 * median(times.map((time) => time[kind]))) / 100;
    return {
      batch,
      engine: trainer.engine,
      isResident: trainer.isResident,
      imagesPerSecond: Math.round((1e6 * batch) / of('step')) / 1000,
      stepMs: of('step'),
      forwardBackwardMs: of('forward'),
      fetchMs: of('fetch'),
      applyMs: of('apply'),
    };
  } finally {
    await trainer.close();
  }
}
