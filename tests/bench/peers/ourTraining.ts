import { openTrainer } from '@maestro/engine';
import { encodeModel } from '@maestro/graph';
import { openNative, releaseMemory } from '@maestro/native';
import { type JobSpec, parseJobSpec } from '@maestro/protocol';
import { planRecipe } from '@maestro/recipes';
import { flatLayout } from '@maestro/tensors';
import { formulaInputs, formulaParameters } from '../../support/model/formula.ts';

/** Precisions of the comparison, as the job file calls them. */
export const PRECISIONS = { fp32: 'float32', x3: 'float32-x3', bf16: 'bfloat16' } as const;
export type Precision = keyof typeof PRECISIONS;

/** Models of the comparison. */
export const MODELS = { tiny: 'mae_vit_tiny_patch4', vitB: 'mae_vit_base_patch16' } as const;
export type ModelName = keyof typeof MODELS;

/** One step of training as a worker takes it. */
export interface OurTraining {
  /** Takes the next step. Throws when loss or gradient are not finite. */
  step(): Promise<{ readonly loss: number; readonly norm: number }>;
  /** Closes everything. */
  close(): Promise<void>;
}

const LEARNING_RATE = 1e-4;

/** Returns the job in that precision; of fp32 with native operators where there are any. Undefined where others have none. */
export function specOf(model: ModelName, batch: number, precision: Precision): JobSpec | undefined {
  const job = {
    model: { preset: MODELS[model] },
    data: { format: 'image-folder', path: '/images' },
    schedule: { steps: 1000, microBatch: batch },
    resources: { virtualRanks: 1 },
  };
  const isNative = openNative() !== undefined;
  if (!isNative && precision !== 'fp32') return undefined;
  return parseJobSpec({ ...job, precision: isNative ? PRECISIONS[precision] : 'standard' });
}

/**
 * Opens a job of one virtual rank on one worker, with weights and a batch by formula: the worker's trainer and its exchange, so that a step
 * is the one that users wait for.
 */
export async function openOurTraining(spec: JobSpec, batch: number, threads: number): Promise<OurTraining> {
  const precision = spec.precision === 'auto' ? 'standard' : spec.precision;
  const plan = await planRecipe(spec, { samples: batch, classes: [] });
  const layout = flatLayout(plan.parameters);
  const trainer = await openTrainer({
    trainingModel: encodeModel(plan.buildTraining(precision)),
    ...(precision !== 'standard' && { operators: openNative()!.path }),
    library: openNative()?.path,
    layout,
    optimizer: spec.optimizer,
    inputs: plan.inputs,
    microBatch: batch,
    maxPartials: 1,
    treeDepth: 0,
    threads,
  });
  // In shared memory, as a worker draws them, which gives it back once they are loaded.
  const parameters = new Float32Array(new SharedArrayBuffer(layout.length * Float32Array.BYTES_PER_ELEMENT));
  await trainer.load({ parameters: formulaParameters(layout, parameters), step: 0 });
  releaseMemory(parameters);
  const inputs = sharedInputs(formulaInputs(plan.model as Parameters<typeof formulaInputs>[0], batch));
  const gradScale = plan.lossScale(batch);
  let step = 0;
  return {
    async step() {
      const { loss } = await trainer.forwardBackward({ inputs, count: batch, gradScale });
      await trainer.pushLeaf();
      const { sumSquares } = await trainer.keepReduced();
      const norm = Math.sqrt(sumSquares);
      if (!Number.isFinite(loss) || !Number.isFinite(norm)) throw new Error(`loss ${loss}, norm ${norm}`);
      step++;
      await trainer.apply({ lr: LEARNING_RATE, step });
      return { loss, norm };
    },
    async close() {
      await trainer.close();
    },
  };
}

/** In shared memory, as the loader's batches are: they are not copied on their way to the trainer's thread. */
function sharedInputs({ images, idsShuffle }: ReturnType<typeof formulaInputs>) {
  const sharedImages = new Float32Array(new SharedArrayBuffer(images.byteLength));
  sharedImages.set(images);
  const sharedIds = new BigInt64Array(new SharedArrayBuffer(idsShuffle.byteLength));
  sharedIds.set(idsShuffle);
  return { images: sharedImages, ids_shuffle: sharedIds };
}
