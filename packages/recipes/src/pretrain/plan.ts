import {
  drawIdsShuffle,
  drawMaskNoise,
  drawTensor,
  evalGraph,
  type MaeConfig,
  maeConfig,
  maskedInputs,
  maskedLossScale,
  parameterSpecs,
  trainingGraph,
} from '@maestro/mae';
import type { JobSpec } from '@maestro/protocol';
import { patchCount } from '@maestro/vit';
import type { RecipePlan } from '../plan/recipePlan.ts';

/** The plan of a masked autoencoder. */
export function planPretrain({ model }: JobSpec): RecipePlan {
  const config = maeConfig(model);
  const { imageSize } = config;
  return {
    parameters: parameterSpecs(config),
    image: { imageSize, channels: config.channels as 1 | 3 },
    inputs: maskedInputs(config),
    fillSample: createFiller(config),
    buildTraining: (precision) => trainingGraph(config, parameterSpecs(config), precision),
    buildEvaluation: () => evalGraph(config),
    lossScale: (planned) => maskedLossScale(config, planned),
    drawParameter: (parameter, stream, out) => drawTensor(config, parameter, stream, out),
    model: config,
  };
}

function createFiller(config: MaeConfig): RecipePlan['fillSample'] {
  const patches = patchCount(config);
  const noise = new Float32Array(patches);
  const keys = new Float64Array(patches);
  return (sample, { images, ids_shuffle: idsShuffle }) => {
    drawMaskNoise(sample, noise);
    drawIdsShuffle({ noise, keys }, idsShuffle as BigInt64Array);
    return sample.readImage(images as Float32Array);
  };
}
