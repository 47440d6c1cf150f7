import { forwardFlops, isEncoderParameter, keptPatches, type MaeConfig, maeConfig, parameterSpecs } from '@maestro/mae';
import { momentCount } from '@maestro/optim/section';
import { dilocoOf, isTraining, type JobPlan, type JobSpec, mostWorkers } from '@maestro/protocol';
import { patchCount } from '@maestro/vit';
import { jobLearningRate, jobSchedule } from '../schedule/jobSchedule.ts';
import { peakLearningRate } from '../schedule/learningRate.ts';

/** The paper's learning rate: 1.5e-4 at a batch of 4096 (He et al. 2021, table 8). */
const RECIPE_RATE = 2.4e-3;
/**
 * A rate that differs from the recipe's by these factors draws a warning: AdamW tolerates a wide range, and learns little or nothing
 * outside it.
 */
const FAR_BELOW = 20;
const FAR_ABOVE = 3;
/** Below this batch size no learning rate is suggested. */
const SMALL_BATCH = 32;
/** Fewer steps than this in total teach a model next to nothing. */
const FEW_STEPS = 100;
/**
 * Assumed multiply-adds per second of one thread when nothing was measured: a judgement, between the speeds of ViT-B and the tiny preset.
 */
const GUESSED_SPEED = 30e9;
/** Cost of forward and backward together, in forward passes. */
const PASSES = 3;
/** Memory of a worker apart from the model: Node, ONNX Runtime, the loader. */
const BASE_BYTES = 250e6;
/**
 * Overhead of the backward pass and the allocator on top of activations; the test holds the estimate to -20 and +25 % of
 * docs/measurements.md.
 */
const ACTIVATION_SHARE = 1.5;
const FLOAT_BYTES = 4;

/** An available worker. */
export interface WorkerAtHand {
  readonly device: string;
  readonly threads: number;
}

/** Options of {@link planJob}. */
export interface PlanOptions {
  /** Samples of the data set; undefined when unknown. */
  readonly samples: number | undefined;
  readonly workers: readonly WorkerAtHand[];
  /** Multiply-adds per second of one worker with the job's device, measured in an earlier job. */
  readonly measuredSpeed?: number | undefined;
}

/** Derives batch, steps, learning rate, parameters, memory and time from a job file. `spec` is valid, and its data set fills a step. */
export function planJob(spec: JobSpec, { samples, workers, measuredSpeed }: PlanOptions): JobPlan {
  const config = maeConfig(spec.model);
  const trains = isTraining(spec);
  const { virtualRanks, microBatch, accumulation } = { ...spec.resources, ...spec.schedule };
  const globalBatch = virtualRanks * microBatch * accumulation;
  const trained = samples === undefined ? undefined : trainedSamples(spec, samples);
  const schedule = trained === undefined ? undefined : jobSchedule(spec, trained);
  const totalSteps = schedule?.totalSteps ?? spec.schedule.steps;
  const specs = parameterSpecs(config).map(({ name, shape }) => ({ name, length: shape.reduce((product, dim) => product * dim, 1) }));
  const count = (of: typeof specs): number => of.reduce((sum, { length }) => sum + length, 0);
  const parameters = count(specs);
  const usable = workers.filter(({ device }) => device === spec.resources.device).slice(0, mostWorkers(spec));
  const time = totalSteps === undefined ? undefined : secondsOf(spec, { images: totalSteps * globalBatch, usable, measuredSpeed });
  return {
    ...(trained !== undefined && { samples: trained }),
    globalBatch,
    ...(schedule !== undefined && { stepsPerEpoch: schedule.stepsPerEpoch, epochs: schedule.totalSteps / schedule.stepsPerEpoch }),
    ...(schedule === undefined && spec.schedule.epochs !== undefined && { epochs: spec.schedule.epochs }),
    ...(totalSteps !== undefined && { totalSteps }),
    ...(trains && { learningRate: peakLearningRate({ baseLr: spec.schedule.baseLr, globalBatch: batchOfRate(spec, globalBatch) }) }),
    ...(trains &&
      schedule !== undefined && { warmupSteps: Math.round(jobLearningRate(spec, schedule).warmupEpochs * schedule.stepsPerEpoch) }),
    parameters,
    encoderParameters: count(specs.filter(({ name }) => isEncoderParameter({ name }))),
    memoryBytes: memoryOf(spec, config, { parameters, trains, workers: Math.max(1, usable.length) }),
    workers: usable.length,
    ...time,
  };
}

/** Estimates the number of training samples when some are held out: the choice depends on content, which a plan does not read. */
function trainedSamples({ data, schedule, resources }: JobSpec, samples: number): number {
  const share = 'holdOut' in data && typeof data.holdOut === 'number' ? data.holdOut : 0;
  const trained = Math.round(samples * (1 - share));
  return trained < resources.virtualRanks * schedule.microBatch * schedule.accumulation ? samples : trained;
}

/** Warns about values of a plan that are probably not intended. */
export function planWarnings({ learningRate, globalBatch, totalSteps }: JobPlan, { schedule, optimizer }: JobSpec): string[] {
  const warnings: string[] = [];
  // Other optimisers have rates of another size.
  if (learningRate !== undefined && learningRate > 0 && optimizer.name === 'adamw') {
    const isHigh = learningRate > RECIPE_RATE * FAR_ABOVE;
    if (isHigh || learningRate < RECIPE_RATE / FAR_BELOW) {
      const times = isHigh ? learningRate / RECIPE_RATE : RECIPE_RATE / learningRate;
      const fitting = (RECIPE_RATE / 2 / globalBatch) * 256;
      const effect = isHigh ? 'training may diverge' : 'a short run then learns little';
      const advice = globalBatch < SMALL_BATCH ? 'a larger batch helps' : `baseLr ${rate(fitting)} gives half the paper's`;
      warnings.push(
        `schedule.baseLr: the learning rate becomes ${rate(learningRate)} (${rate(schedule.baseLr)} x batch ${globalBatch} / 256), ` +
          `${times.toFixed(0)} times ${isHigh ? 'above' : 'below'} the paper's ${rate(RECIPE_RATE)} at batch 4096; ${effect}: ${advice}`,
      );
    }
  }
  if (totalSteps !== undefined && totalSteps < FEW_STEPS && learningRate !== undefined) {
    warnings.push(
      `schedule: ${totalSteps} steps in all are few to learn anything; give more epochs, or a smaller batch than ${globalBatch}`,
    );
  }
  return warnings;
}

/** Formats with three digits at most, without a row of zeros. */
const rate = (value: number): string => {
  const short = Number(value.toPrecision(3));
  return value >= 0.1 ? String(short) : short.toExponential();
};

/** Returns the images of one optimiser step: those of one replica when replicas train apart. */
const batchOfRate = (spec: JobSpec, globalBatch: number): number => globalBatch / (dilocoOf(spec)?.replicas ?? 1);

/** Returns the multiply-adds for one image: to train on it, or to encode all of it. */
export function imageCost(spec: JobSpec): number {
  const config = maeConfig(spec.model);
  return isTraining(spec) ? forwardFlops(config).total * PASSES : forwardFlops(config, { encodesMaskTokens: true }).encoder;
}

function secondsOf(
  spec: JobSpec,
  {
    images,
    usable,
    measuredSpeed,
  }: { readonly images: number; readonly usable: readonly WorkerAtHand[]; readonly measuredSpeed: number | undefined },
): Pick<JobPlan, 'seconds' | 'secondsBy'> {
  if (usable.length === 0 || (measuredSpeed === undefined && spec.resources.device !== 'cpu')) return {};
  const speed =
    measuredSpeed === undefined ? usable.reduce((sum, { threads }) => sum + threads * GUESSED_SPEED, 0) : measuredSpeed * usable.length;
  return { seconds: (images * imageCost(spec)) / speed, secondsBy: measuredSpeed === undefined ? 'guess' : 'earlierJob' };
}

/** Sums parameters, moments, gradients on their way up the tree, the copy from which a checkpoint is written, and activations. */
function memoryOf(
  spec: JobSpec,
  config: MaeConfig,
  { parameters, trains, workers }: { readonly parameters: number; readonly trains: boolean; readonly workers: number },
): number {
  const { microBatch } = spec.schedule;
  if (!trains) return Math.round(BASE_BYTES + FLOAT_BYTES * (2 * parameters + activations(config, false) * microBatch));
  const replicas = Math.ceil((dilocoOf(spec)?.replicas ?? 1) / workers);
  const moments = momentCount(spec.optimizer) / (spec.optimizer.state === 'sharded' ? workers : 1);
  const state = (1 + moments) * replicas + (dilocoOf(spec) === undefined ? 0 : 2);
  const gradients = 2 + Math.ceil(Math.log2(spec.resources.virtualRanks));
  const vectors = state + gradients + 1 + moments;
  return Math.round(BASE_BYTES + FLOAT_BYTES * (vectors * parameters + ACTIVATION_SHARE * activations(config, true) * microBatch));
}

/**
 * Returns the values that one image leaves for the backward pass: about 16 times the width per token and block, and the attention weights.
 */
function activations(config: MaeConfig, trains: boolean): number {
  const { embedDim, depth, numHeads, decoderEmbedDim, decoderDepth, decoderNumHeads } = config;
  const block = (tokens: number, width: number, heads: number): number => tokens * (16 * width + heads * tokens);
  const patches = patchCount(config);
  if (!trains) return block(patches + 1, embedDim, numHeads);
  return depth * block(keptPatches(config) + 1, embedDim, numHeads) + decoderDepth * block(patches + 1, decoderEmbedDim, decoderNumHeads);
}
