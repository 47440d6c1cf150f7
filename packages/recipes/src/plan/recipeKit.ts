import * as graph from '@maestro/graph';
import {
  decode,
  drawTensor,
  isEncoderParameter,
  keptPatches,
  maeConfig,
  maskedInputs,
  parameterSpecs,
  splitIds,
  squaredErrorLoss,
  targetOf,
} from '@maestro/mae';
import { encode, imagesOf, linearLayer, normLayer, patchCount, patchifyImages, patchLength, patchPositions } from '@maestro/vit';
import { trainingGraph } from './trainingGraph.ts';

/** What a recipe builds its plan with, so that its module needs no import from maestro, wherever it lies. */
export const recipeKit = {
  /** Operators, the `Graph`, and `grad`. */
  graph,
  /** The graph of one micro batch from its loss. */
  trainingGraph,
  /** The vision transformer of the job file's `model`, and its parts. */
  vit: {
    config: maeConfig,
    parameters: parameterSpecs,
    isEncoderParameter,
    patchCount,
    keptPatches,
    patchLength,
    images: imagesOf,
    maskedInputs,
    drawTensor,
    patchify: patchifyImages,
    positions: patchPositions,
    splitIds,
    encode,
    decode,
    linear: linearLayer,
    norm: normLayer,
    targetOf,
    squaredErrorLoss,
  },
} as const;

/** See {@link recipeKit}. */
export type RecipeKit = typeof recipeKit;
