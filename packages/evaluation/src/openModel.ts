import { flatTensors, readCheckpoint, readParameters } from '@maestro/checkpoint';
import { augmentConfig, type Normalisation } from '@maestro/data';
import { type Evaluator, openEvaluator } from '@maestro/engine';
import { buildEncoderModel, buildEvalModel, initParameters, type MaeConfig, maeConfig, maskedInputs, parameterSpecs } from '@maestro/mae';
import type { Device, JobSpec } from '@maestro/protocol';
import { flatLayout, type ParameterLayout } from '@maestro/tensors';
import { imagesOf } from '@maestro/vit';

/** An open model, with the job that it was trained by. */
export interface OpenModel {
  readonly spec: JobSpec;
  readonly config: MaeConfig;
  readonly layout: ParameterLayout;
  readonly normalisation: Normalisation;
  readonly evaluator: Evaluator;
}

/** Options of {@link openModel}. */
export interface OpenModelOptions {
  readonly threads?: number;
  readonly device?: Device;
  /** False when parameters are loaded before the first use: opens faster. Default true. */
  readonly isInitialised?: boolean;
  /** False when features are never requested. Default as `isInitialised`. */
  readonly hasFeatures?: boolean;
}

/** Opens a job's model; it has the job's initial parameters until others are loaded. */
export async function openModel(
  spec: JobSpec,
  { threads = 1, device = 'cpu', isInitialised = true, hasFeatures = isInitialised }: OpenModelOptions = {},
): Promise<OpenModel> {
  const config = maeConfig(spec.model);
  const layout = flatLayout(parameterSpecs(config));
  const { channels } = config;
  const { mean, std } = augmentConfig(channels as 1 | 3, definedStatistics(spec));
  const evaluator = await openEvaluator({
    models: {
      masked: { model: buildEvalModel(config), inputs: maskedInputs(config), outputs: ['prediction', 'mask'] },
      ...(hasFeatures && { features: { model: buildEncoderModel(config), inputs: [imagesOf(config)], outputs: ['features'] } }),
    },
    layout,
    device,
    threads,
  });
  if (isInitialised) await evaluator.load(initParameters(config, layout, spec.seed));
  return { spec, config, layout, normalisation: { mean, std }, evaluator };
}

/** Loads a checkpoint into an open model of the same shape. */
export async function loadCheckpoint(
  { layout, evaluator }: OpenModel,
  dir: string,
): Promise<{ readonly step: number; readonly checkpointHash: string }> {
  const parameters = new Float32Array(layout.length);
  const { step, checkpointHash } = await readCheckpoint(dir, { into: { parameters: flatTensors(layout, parameters) } });
  await evaluator.load(parameters);
  return { step, checkpointHash };
}

/**
 * Loads a checkpoint's parameters into an open model of the same shape: sufficient for evaluation, a third of the bytes of a whole
 * checkpoint.
 */
export async function loadParameters(
  { layout, evaluator }: OpenModel,
  dir: string,
): Promise<{ readonly step: number; readonly checkpointHash: string }> {
  const parameters = new Float32Array(layout.length);
  const { step, checkpointHash } = await readParameters(dir, { into: flatTensors(layout, parameters) });
  await evaluator.load(parameters);
  return { step, checkpointHash };
}

/**
 * Returns the mean patch token of the normalised encoder output, all patches visible: [count, D]. `images` is [count, C, H, W], normalised.
 */
export async function encodeImages(evaluator: Evaluator, images: Float32Array, count: number): Promise<Float32Array> {
  const { features } = await evaluator.evaluate({ model: 'features', inputs: { images }, count });
  return features!;
}

/** Output of a model for masked images. */
export interface MaskedEvaluation {
  /** In target space: [count, L, P]. */
  readonly prediction: Float32Array;
  /** 1 for a removed patch: [count, L]. */
  readonly mask: Float32Array;
}

/** Masks images by `idsShuffle`, int64 [count, L], and predicts all patches. */
export async function evaluateMasked(
  evaluator: Evaluator,
  { images, idsShuffle, count }: { readonly images: Float32Array; readonly idsShuffle: BigInt64Array; readonly count: number },
): Promise<MaskedEvaluation> {
  const { prediction, mask } = await evaluator.evaluate({ model: 'masked', inputs: { images, ids_shuffle: idsShuffle }, count });
  return { prediction: prediction!, mask: mask! };
}

function definedStatistics({ augment: { mean, std } }: JobSpec): Partial<Normalisation> {
  return { ...(mean !== undefined && { mean }), ...(std !== undefined && { std }) };
}
