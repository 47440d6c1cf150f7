import { expect, test } from '@jest/globals';
import { buildEvalModel, flatLayout, maeConfig, parameterSpecs, patchCount } from '@maestro/mae';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { formulaInputs, formulaParameters } from '../support/formula.ts';
import { parameterFeeds } from '../support/parameterFeeds.ts';
import { readFixture } from './readFixture.ts';

const { abs, max } = Math;
const BATCH = 3;

test.each([
  ['norm', true],
  ['raw', false],
] as const)('losses, predictions, masks and features agree with PyTorch in float64 (%s targets)', async (kind, normPixLoss) => {
  const fixture = readFixture('tiny.safetensors');
  const config = maeConfig({ preset: 'mae_vit_tiny_patch4', normPixLoss });
  const layout = flatLayout(parameterSpecs(config));
  const { images, idsShuffle } = formulaInputs(config, BATCH);
  const session = await InferenceSession.create(buildEvalModel(config), { intraOpNumThreads: 1 });
  const results = await session.run({
    ...parameterFeeds(layout, formulaParameters(layout)),
    images: new Tensor('float32', images, [BATCH, config.channels, config.imageSize, config.imageSize]),
    ids_shuffle: new Tensor('int64', idsShuffle, [BATCH, patchCount(config)]),
  });
  await session.release();
  for (const name of ['loss', 'prediction', 'mask', 'features']) {
    const expected = fixture(`${kind}.${name}`);
    const found = results[name]!.data as Float32Array;
    expect(found.length).toBe(expected.length);
    const largest = expected.reduce((most, value) => max(most, abs(value)), 0);
    expect(found.reduce((most, value, i) => max(most, abs(value - expected[i]!)), 0) / largest).toBeLessThan(2e-6);
  }
});
