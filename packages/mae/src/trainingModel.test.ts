import { expect, test } from '@jest/globals';
import { flatLayout } from '@maestro/tensors';
import { patchCount } from '@maestro/vit';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { buildTrainingModel, drawIdsShuffle, drawMaskNoise, initParameters, maeConfig, parameterSpecs, trainingGraph } from './index.ts';

const config = maeConfig({
  imageSize: 16,
  channels: 1,
  patchSize: 4,
  embedDim: 16,
  depth: 1,
  numHeads: 2,
  decoderEmbedDim: 8,
  decoderDepth: 1,
  decoderNumHeads: 2,
});
const layout = flatLayout(parameterSpecs(config));
const parameters = initParameters(config, layout, 3);
const PIXELS = config.imageSize ** 2;
const PATCHES = patchCount(config);
const COUNT = 5;

const images = Float32Array.from({ length: COUNT * PIXELS }, (_, i) => Math.sin(i * i));
const idsShuffle = new BigInt64Array(COUNT * PATCHES);
for (let index = 0; index < COUNT; index++) {
  const noise = new Float32Array(PATCHES);
  drawMaskNoise({ seed: 0, epoch: 0, index }, noise);
  drawIdsShuffle({ noise }, idsShuffle.subarray(index * PATCHES, (index + 1) * PATCHES));
}

/** Loss and gradients of the images from `first` on, weighted as part of all of them. */
async function run(session: InferenceSession, first: number, count: number): Promise<Float32Array[]> {
  const feeds: Record<string, Tensor> = {
    images: new Tensor('float32', images.slice(first * PIXELS, (first + count) * PIXELS), [count, 1, config.imageSize, config.imageSize]),
    ids_shuffle: new Tensor('int64', idsShuffle.slice(first * PATCHES, (first + count) * PATCHES), [count, PATCHES]),
    grad_scale: new Tensor('float32', Float32Array.of(2 / (16 * 12 * COUNT)), []),
  };
  for (const { name, shape, offset, size } of layout.tensors) {
    feeds[name] = new Tensor('float32', parameters.subarray(offset, offset + size), shape);
  }
  const names = session.outputNames.slice(1);
  const results = await session.run(feeds, names);
  return names.map((name) => results[name]!.data as Float32Array);
}

test('the outputs are a status, the loss, and one gradient per parameter in model order', () => {
  const graph = trainingGraph(config);
  expect([...graph.outputs.keys()]).toEqual(['status', 'loss', ...layout.tensors.map(({ name }) => `grad.${name}`)]);
  expect(graph.outputs.get('status')?.sequence).toBe(true);
  layout.tensors.forEach(({ name, shape }) => {
    expect(graph.outputs.get(`grad.${name}`)?.dims).toEqual(shape);
  });
  expect(graph.nodes.some(({ op }) => op.startsWith('Scatter'))).toBe(false);
});

test('losses and gradients of micro batches of any size add up to those of the whole batch', async () => {
  const session = await InferenceSession.create(buildTrainingModel(config), { intraOpNumThreads: 1 });
  const whole = await run(session, 0, COUNT);
  const parts = [await run(session, 0, 2), await run(session, 2, 1), await run(session, 3, 2)];
  await session.release();
  whole.forEach((values, at) => {
    const largest = Math.max(...values.map(Math.abs));
    values.forEach((value, i) => {
      expect(Math.abs(parts.reduce((sum, part) => sum + part[at]![i]!, 0) - value)).toBeLessThan(2e-6 * largest);
    });
  });
});

test('building a model twice gives the same bytes', () => {
  expect(Buffer.from(buildTrainingModel(config)).equals(Buffer.from(buildTrainingModel(config)))).toBe(true);
});
