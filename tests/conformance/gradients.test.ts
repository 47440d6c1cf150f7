import { expect, test } from '@jest/globals';
import { buildTrainingModel, keptPatches, parameterSpecs } from '@maestro/mae';
import { type FlatTensor, flatLayout } from '@maestro/tensors';
import { patchCount, patchLength } from '@maestro/vit';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { formulaInputs, formulaParameters } from '../support/model/formula.ts';
import { parameterFeeds } from '../support/model/parameterFeeds.ts';
import { FIXTURE_CASES, FIXTURE_IMAGES } from './fixtureModels.ts';
import { readFixture } from './readFixture.ts';

const { abs, max } = Math;
const TOLERANCE = 5e-6;
/** As in make_fixtures.py: how larger gradients are sampled. */
const SAMPLE = 4096;
const STRIDE = 65537;

/** The largest |found - expected|, NaN when any is. */
function largestDifference(found: Float32Array, expected: Float32Array): number {
  expect(found.length).toBe(expected.length);
  return found.reduce((most, value, i) => max(most, abs(value - expected[i]!)), 0);
}

const sampled = (gradient: Float32Array) => Float32Array.from({ length: SAMPLE }, (_, i) => gradient[(i * STRIDE) % gradient.length]!);

function sums(gradient: Float32Array, rows: number): { rows: Float32Array; columns: Float32Array } {
  const width = gradient.length / rows;
  const result = { rows: new Float64Array(rows), columns: new Float64Array(width) };
  gradient.forEach((value, i) => {
    result.rows[(i / width) | 0]! += value;
    result.columns[i % width]! += value;
  });
  return { rows: Float32Array.from(result.rows), columns: Float32Array.from(result.columns) };
}

test.each(FIXTURE_CASES)(
  'loss and every gradient agree with PyTorch in float64 ($model, $kind targets)',
  async ({ model, kind, config }) => {
    const fixture = readFixture(`${model}.safetensors`);
    const layout = flatLayout(parameterSpecs(config));
    const parameters = formulaParameters(layout);
    const { images, idsShuffle } = formulaInputs(config, FIXTURE_IMAGES);
    const removed = patchCount(config) - keptPatches(config);
    const session = await InferenceSession.create(buildTrainingModel(config), { intraOpNumThreads: 1 });
    const names = ['loss', ...layout.tensors.map(({ name }) => `grad.${name}`)];
    const results = await session.run(
      {
        images: new Tensor('float32', images, [FIXTURE_IMAGES, config.channels, config.imageSize, config.imageSize]),
        ids_shuffle: new Tensor('int64', idsShuffle, [FIXTURE_IMAGES, patchCount(config)]),
        grad_scale: new Tensor('float32', Float32Array.of(2 / (patchLength(config) * removed * FIXTURE_IMAGES)), []),
        ...parameterFeeds(layout, parameters),
      },
      names,
    );
    await session.release();
    const valuesOf = (name: string) => results[name]!.data as Float32Array;

    const expectedLoss = fixture(`${kind}.loss`).reduce((sum, loss) => sum + loss, 0) / FIXTURE_IMAGES;
    expect(abs(valuesOf('loss')[0]! - expectedLoss) / expectedLoss).toBeLessThan(1e-6);
    const most = fixture(`${kind}.most`);
    const disagreement = ({ name, shape, size }: FlatTensor, index: number) => {
      const key = `${kind}.grad.${name}`;
      const gradient = valuesOf(`grad.${name}`);
      if (size <= SAMPLE) return largestDifference(gradient, fixture(key)) / most[index]!;
      const bySums = sums(gradient, shape[0]!);
      return max(
        largestDifference(sampled(gradient), fixture(key)) / most[index]!,
        // A sum of n elements that are each off by e at random is off by about e * sqrt(n).
        largestDifference(bySums.rows, fixture(`${key}.rows`)) / (most[index]! * (size / shape[0]!) ** 0.5),
        largestDifference(bySums.columns, fixture(`${key}.columns`)) / (most[index]! * shape[0]! ** 0.5),
      );
    };
    const disagreements = layout.tensors.map((tensor, index) => ({ name: tensor.name, value: disagreement(tensor, index) }));
    expect(disagreements.filter(({ value }) => !(value <= TOLERANCE))).toEqual([]);
  },
);
