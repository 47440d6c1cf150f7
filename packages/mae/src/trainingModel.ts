import { encodeModel, Graph, type GraphPrecision, gather, grad, reshape, sequenceConstruct, takeRows } from '@maestro/graph';
import type { ParameterSpec } from '@maestro/tensors';
import { encode, imagesInput, patchifyImages, patchPositions } from '@maestro/vit';
import { decode, splitIds } from './autoencoder.ts';
import type { MaeConfig } from './config.ts';
import { squaredErrorLoss, targetOf } from './loss.ts';
import { idsShuffleInput, parameterInputs } from './modelInputs.ts';
import { parameterSpecs } from './parameters.ts';

/**
 * The graph of one micro batch, forward and backward.
 *
 * Inputs: every parameter by its name; `images` float32 [N, C, H, W]; `ids_shuffle` int64 [N, L]; `grad_scale` float32 [], see
 * {@link maskedLossScale}.
 *
 * Outputs, in this order: `status`, a sequence (onnxruntime-node writes preallocated outputs and then refuses to return a sequence,
 * which saves it a copy of all of them); `loss` float32 [] = grad_scale / 2 * the sum of squared errors over removed patches;
 * `grad.NAME` for every parameter of `specs` that is trainable, in model order.
 *
 * @param precision what the layers are made of.
 */
export function trainingGraph(
  config: MaeConfig,
  specs: readonly ParameterSpec[] = parameterSpecs(config),
  precision: GraphPrecision = 'standard',
): Graph {
  const graph = new Graph('training_model', { precision });
  const parameters = parameterInputs(graph, config);
  const images = imagesInput(graph, config);
  const idsShuffle = idsShuffleInput(graph, config);
  const gradScale = graph.input('grad_scale', 'float32', []);

  const patches = patchifyImages(images, config);
  const { kept, removed } = splitIds(idsShuffle, config);
  const latent = encode(takeRows(patches, kept), gather(patchPositions(graph, config), kept), parameters, config);
  const prediction = decode(latent, { idsShuffle, predict: 'removed' }, parameters, config);
  const target = reshape(targetOf(takeRows(patches, removed), config), prediction.dims);
  const loss = squaredErrorLoss(prediction, target, gradScale);

  const names = specs.filter(({ trainable }) => trainable).map(({ name }) => name);
  const gradients = grad(loss, names.map(parameters));
  graph.output('status', sequenceConstruct([loss]));
  graph.output('loss', loss);
  for (const [i, name] of names.entries()) graph.output(`grad.${name}`, gradients[i]!);
  return graph;
}

/** The training graph as an ONNX model (`training_model.onnx`). See {@link trainingGraph}. */
export function buildTrainingModel(config: MaeConfig, specs?: readonly ParameterSpec[], precision?: GraphPrecision): Uint8Array {
  return encodeModel(trainingGraph(config, specs, precision));
}
