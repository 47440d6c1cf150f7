import { encodeModel, Graph, reduceMean, slice, type Tensor } from '@maestro/graph';
import { encode, patchifyImages, patchPositions } from './autoencoder.ts';
import type { MaeConfig } from './config.ts';
import { imagesInput, type Parameters, parameterInputs } from './modelInputs.ts';

/**
 * The encoder on whole images: the mean over patch tokens, class token excluded, of its normalised output.
 * @param patches [N, L, P]. @param positions [L, D]. @returns [N, D].
 */
export function wholeImageFeatures(patches: Tensor, positions: Tensor, parameters: Parameters, config: MaeConfig): Tensor {
  const tokens = encode(patches, positions, parameters, config);
  return reduceMean(slice(tokens, { axis: 1, start: 1 }), { axes: [1] });
}

/**
 * The eval model's `features` alone, which spares what the eval model computes besides.
 *
 * Inputs: every parameter by its name; `images` float32 [N, C, H, W]. Output: `features` float32 [N, D].
 */
export function buildFeatureModel(config: MaeConfig): Uint8Array {
  const graph = new Graph('feature_model');
  const parameters = parameterInputs(graph, config);
  const patches = patchifyImages(imagesInput(graph, config), config);
  graph.output('features', wholeImageFeatures(patches, patchPositions(graph, config), parameters, config));
  return encodeModel(graph);
}
