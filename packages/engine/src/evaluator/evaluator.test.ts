import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Evaluator, openEvaluator, runModel, type TensorValue } from '../index.ts';
import { TOY_IMAGE_SHAPE, TOY_PATCHES, toyBatch, toyEvalModel, toyLayout, toyParameters } from '../testing/toyModel.ts';

const layout = toyLayout();
const evalModel = toyEvalModel(layout);
let evaluator: Evaluator;

beforeAll(async () => {
  evaluator = await openEvaluator({ evalModel, layout, imageShape: TOY_IMAGE_SHAPE, patches: TOY_PATCHES });
  await evaluator.load(toyParameters(layout));
});

afterAll(() => evaluator.close());

/** The same by ONNX Runtime on this thread. */
function reference({ images, idsShuffle, count }: ReturnType<typeof toyBatch>): Promise<Record<string, TensorValue>> {
  const feeds: Record<string, TensorValue> = {
    images: { type: 'float32', data: Float32Array.from(images), dims: [count, ...TOY_IMAGE_SHAPE] },
    ids_shuffle: { type: 'int64', data: BigInt64Array.from(idsShuffle), dims: [count, TOY_PATCHES] },
  };
  const parameters = toyParameters(layout);
  for (const { name, shape, offset, size } of layout.tensors) {
    feeds[name] = { type: 'float32', data: parameters.slice(offset, offset + size), dims: shape };
  }
  return runModel(evalModel, feeds);
}

test('an evaluation gives loss, prediction and mask of the loaded parameters, for any number of images', async () => {
  for (const count of [3, 1, 7]) {
    const batch = toyBatch(count, count);
    const expected = await reference(batch);
    const { loss, prediction, mask } = await evaluator.evaluate(batch);
    expect([loss, prediction, mask]).toEqual([expected.loss!.data, expected.prediction!.data, expected.mask!.data]);
    expect([loss.length, prediction.length]).toEqual([count, count * 16]);
  }
});

test('features come from the eval model, or from a feature model with fewer inputs', async () => {
  const batch = toyBatch(5, 3);
  const expected = (await reference(batch)).features!.data;
  expect(await evaluator.features(batch.images, 5)).toEqual(expected);
  const other = await openEvaluator({ evalModel, featureModel: evalModel, layout, imageShape: TOY_IMAGE_SHAPE, patches: TOY_PATCHES });
  try {
    await other.load(toyParameters(layout));
    expect(await other.features(batch.images, 5)).toEqual(expected);
  } finally {
    await other.close();
  }
});

test('images that do not fit are refused before ONNX Runtime sees them', async () => {
  await expect(evaluator.evaluate({ ...toyBatch(2, 0), count: 4 })).rejects.toThrow(
    'evaluate: 4 samples need 64 image floats and 64 ids, found 32 and 32',
  );
});

test('a model without an output that an evaluation needs is refused by its name', async () => {
  const options = { layout, imageShape: TOY_IMAGE_SHAPE, patches: TOY_PATCHES };
  await expect(openEvaluator({ ...options, evalModel, featureModel: toyFreeOf('features') })).rejects.toThrow(
    'feature model: the model has no output features',
  );
  await expect(openEvaluator({ ...options, evalModel: toyFreeOf('mask') })).rejects.toThrow('eval model: the model has no output mask');
});

/** The eval model without one of its outputs. */
function toyFreeOf(output: string): Uint8Array {
  return toyEvalModel(layout, { without: output });
}
