import { expect, test } from '@jest/globals';
import { buildEncoderModel, buildEvalModel, parameterSpecs } from '@maestro/mae';
import { flatLayout } from '@maestro/tensors';
import { patchCount } from '@maestro/vit';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { formulaInputs, formulaParameters } from '../support/model/formula.ts';
import { parameterFeeds } from '../support/model/parameterFeeds.ts';
import { FIXTURE_CASES, FIXTURE_IMAGES } from './fixtureModels.ts';
import { readFixture } from './readFixture.ts';

const { abs, max } = Math;

test.each(FIXTURE_CASES)(
  'losses, predictions, masks and features agree with PyTorch in float64 ($model, $kind targets)',
  async ({ model, kind, config }) => {
    const fixture = readFixture(`${model}.safetensors`);
    const layout = flatLayout(parameterSpecs(config));
    const { images, idsShuffle } = formulaInputs(config, FIXTURE_IMAGES);
    const session = await InferenceSession.create(buildEvalModel(config), { intraOpNumThreads: 1 });
    const feeds: Record<string, Tensor> = {
      ...parameterFeeds(layout, formulaParameters(layout)),
      images: new Tensor('float32', images, [FIXTURE_IMAGES, config.channels, config.imageSize, config.imageSize]),
      ids_shuffle: new Tensor('int64', idsShuffle, [FIXTURE_IMAGES, patchCount(config)]),
    };
    const results = await session.run(feeds);
    const encoder = await InferenceSession.create(buildEncoderModel(config), { intraOpNumThreads: 1 });
    const encoderFeeds = Object.fromEntries(encoder.inputNames.map((name) => [name, feeds[name]!]));
    const { features } = await encoder.run(encoderFeeds);
    expect(Buffer.from((features!.data as Float32Array).buffer).equals(Buffer.from((results.features!.data as Float32Array).buffer))).toBe(
      true,
    );
    await Promise.all([session.release(), encoder.release()]);
    for (const name of ['loss', 'prediction', 'mask', 'features']) {
      const expected = fixture(`${kind}.${name}`);
      const found = results[name]!.data as Float32Array;
      expect(found.length).toBe(expected.length);
      const largest = expected.reduce((most, value) => max(most, abs(value)), 0);
      expect(found.reduce((most, value, i) => max(most, abs(value - expected[i]!)), 0) / largest).toBeLessThan(2e-6);
    }
  },
);
