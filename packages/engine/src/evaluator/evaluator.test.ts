import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type EvaluationModel, type Evaluator, openEvaluator, runModel, type TensorValue } from '../index.ts';
import { TOY_INPUTS, toyBatch, toyEvalModel, toyLayout, toyParameters } from '../testing/toyModel.ts';

const layout = toyLayout();
const evalModel = toyEvalModel(layout);
const models = {
  whole: { model: evalModel, inputs: TOY_INPUTS, outputs: ['loss', 'prediction', 'mask'] },
  features: { model: evalModel, inputs: TOY_INPUTS, outputs: ['features'] },
};
let evaluator: Evaluator;

beforeAll(async () => {
  evaluator = await openEvaluator({ models, layout });
  await evaluator.load(toyParameters(layout));
});

afterAll(() => evaluator.close());

/** The same by ONNX Runtime on this thread. */
function reference({ inputs: { images, weights }, count }: ReturnType<typeof toyBatch>): Promise<Record<string, TensorValue>> {
  const feeds: Record<string, TensorValue> = {
    images: { type: 'float32', data: Float32Array.from(images), dims: [count, 1, 4, 4] },
    weights: { type: 'int64', data: BigInt64Array.from(weights), dims: [count, 16] },
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
    const { loss, prediction, mask } = await evaluator.evaluate({ ...batch, model: 'whole' });
    expect([loss, prediction, mask]).toEqual([expected.loss!.data, expected.prediction!.data, expected.mask!.data]);
    expect([loss!.length, prediction!.length]).toEqual([count, count * 16]);
  }
});

test('each of its models gives the outputs that it was opened for, of the same parameters', async () => {
  const batch = toyBatch(5, 3);
  const expected = (await reference(batch)).features!.data;
  expect(await evaluator.evaluate({ ...batch, model: 'features' })).toEqual({ features: expected });
});

test('values that do not fit are refused before ONNX Runtime sees them', async () => {
  const batch = { ...toyBatch(2, 0), model: 'whole' };
  const evaluate = (changed: object) => expect(evaluator.evaluate({ ...batch, ...changed })).rejects;
  await evaluate({ count: 4 }).toThrow('evaluate: 4 samples need 64 float32 of images, [4, 1, 4, 4], found 32 in a Float32Array');
  await evaluate({ inputs: { images: batch.inputs.images } }).toThrow('2 samples need 32 int64 of weights, [2, 16], found none');
  await evaluate({ inputs: { ...batch.inputs, weights: new Int32Array(32) } }).toThrow(
    'need 32 int64 of weights, [2, 16], found 32 in a Int32Array',
  );
});

test('a model without an output that it is opened for, or with other inputs, is refused by the name', async () => {
  const open = (model: EvaluationModel) => expect(openEvaluator({ models: { toy: model }, layout })).rejects;
  await open({ ...models.whole, model: toyFreeOf('mask') }).toThrow('toy model: the model has no output mask');
  await open({ ...models.whole, inputs: [TOY_INPUTS[0]] }).toThrow('toy model: the model has an input weights that is neither a parameter');
  const labels = { name: 'labels', dtype: 'int64', shape: [] } as const;
  await open({ ...models.whole, inputs: [...TOY_INPUTS, labels] }).toThrow('expected an input labels of [N], the model has none');
});

/** The eval model without one of its outputs. */
function toyFreeOf(output: string): Uint8Array {
  return toyEvalModel(layout, { without: output });
}
