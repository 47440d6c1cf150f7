import { expect, test } from '@jest/globals';
import ort from 'onnxruntime-node';
import * as nn from './index.ts';
import { evaluate } from './testing/evaluate.ts';

/** A model with a bit of everything: scopes, a composite, symbols, literals and a large table. */
function sampleModel(): nn.Graph {
  const g = new nn.Graph('sample');
  const x = g.input('x', 'float32', ['N', 4]);
  const w = g.input('w', 'float32', [3, 4]);
  const table = g.constant('table', 'float32', [1, 3], Float32Array.of(1, 2, 3));
  const y = g.scope('head', () => nn.mul(nn.linear(x, w), nn.expand(table, ['N', 3])));
  const loss = nn.reduceMean(nn.reduceSum(y, { axes: [1] }));
  g.output('loss', loss);
  g.output('grad.w', nn.grad(loss, [w])[0]!);
  return g;
}

test('the bytes are a pure function of how the graph was built', () => {
  expect(Buffer.from(nn.encodeModel(sampleModel())).equals(nn.encodeModel(sampleModel()))).toBe(true);
});

test('ONNX Runtime loads the bytes and reports the declared inputs and outputs, in order', async () => {
  const session = await ort.InferenceSession.create(nn.encodeModel(sampleModel()));
  expect(session.inputNames).toEqual(['x', 'w']);
  expect(session.outputNames).toEqual(['loss', 'grad.w']);
  expect(session.inputMetadata).toMatchObject([
    { name: 'x', isTensor: true, type: 'float32', shape: ['N', 4] },
    { name: 'w', isTensor: true, type: 'float32', shape: [3, 4] },
  ]);
  await session.release();
});

test('constants of every dtype arrive as they were given', async () => {
  const g = new nn.Graph();
  const x = g.input('x', 'float32', [1]);
  const tables = {
    float32: Float32Array.of(0.1, -0),
    float64: Float64Array.of(0.1, -1e300),
    float16: Uint16Array.of(0x3c00, 0xc000),
    int32: Int32Array.of(-(2 ** 31), 7),
    int64: BigInt64Array.of(-(2n ** 62n), 7n),
    uint8: Uint8Array.of(255, 0),
    bool: Uint8Array.of(1, 0),
  };
  for (const [dtype, data] of Object.entries(tables)) {
    g.output(`out.${dtype}`, g.constant(dtype, dtype as nn.DType, [2], data));
  }
  g.output('x again', x);
  const session = await ort.InferenceSession.create(nn.encodeModel(g));
  const results = await session.run({ x: new ort.Tensor('float32', Float32Array.of(3), [1]) });
  for (const [dtype, data] of Object.entries(tables)) {
    const found = results[`out.${dtype}`]!;
    expect(found.type).toBe(dtype);
    const bytes = found.data as Uint8Array;
    expect(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).equals(Buffer.from(data.buffer))).toBe(true);
  }
  expect(results['x again']!.data).toEqual(Float32Array.of(3));
  await session.release();
});

test('numbers become float16 constants rounded to nearest, ties to even', async () => {
  const g = new nn.Graph();
  const values = [1, -2, 65504, 65520, 2 ** -24, 2 ** -25, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 0.1];
  g.output('y', nn.cast(g.literal('float16', values), 'float64'));
  g.input('x', 'float32', [1]);
  const { y } = await evaluate(g, { x: { dtype: 'float32', shape: [1], values: [0] } });
  expect(y!.values).toEqual([1, -2, 65504, Number.POSITIVE_INFINITY, 2 ** -24, 0, 1, 1 + 2 ** -9, 0.0999755859375]);
});

test('a large constant is written from the array that was given, without a copy', () => {
  const g = new nn.Graph();
  const data = new Float32Array(100_000).fill(0.5);
  g.output('y', nn.add(g.input('x', 'float32', [1]), g.constant('table', 'float32', [100_000], data)));
  const chunks = nn.encodeModelChunks(g);
  expect(chunks.filter((chunk) => chunk.buffer === data.buffer)).toHaveLength(1);
  expect(Buffer.concat(chunks).equals(nn.encodeModel(g))).toBe(true);
});

test('what no output needs is left out, whatever made it', () => {
  const g = new nn.Graph('pruned');
  const x = g.input('x', 'float32', [2]);
  const w = g.input('w', 'float32', [2]);
  nn.add(x, g.constant('unused', 'float32', [2], [1, 2]));
  const loss = nn.reduceSum(nn.mul(nn.exp(x), w));
  const [, dw] = nn.grad(loss, [x, w]);
  g.output('dw', dw!);
  const { nodes, constants, inputs } = nn.liveProgram(g);
  // The gradient of w is exp(x) times a cotangent of 1: no loss, no gradient of x, no constant but the 1.
  expect(nodes.map(({ op }) => op)).toEqual(['Exp', 'Mul']);
  expect(constants.map(({ data }) => [...data!])).toEqual([[1]]);
  expect(inputs.map(({ name }) => name)).toEqual(['x', 'w']);
});

test('a value that is an output twice, or an input, keeps a name for each', async () => {
  const g = new nn.Graph();
  const x = g.input('x', 'float64', [1]);
  const y = nn.add(x, 1);
  g.output('first', y);
  g.output('second', y);
  g.output('same', x);
  const results = await evaluate(g, { x: { dtype: 'float64', shape: [1], values: [2] } });
  expect(Object.entries(results).map(([name, { values }]) => [name, values[0]])).toEqual([
    ['first', 3],
    ['second', 3],
    ['same', 2],
  ]);
});

test('a sequence as first output makes run reject after preallocated outputs were written', async () => {
  const g = new nn.Graph();
  const x = g.input('x', 'float32', [2]);
  const y = nn.add(x, 1);
  g.output('status', nn.sequenceConstruct([y]));
  g.output('y', y);
  const session = await ort.InferenceSession.create(nn.encodeModel(g));
  const written = new ort.Tensor('float32', Float32Array.of(Number.NaN, Number.NaN), [2]);
  const run = session.run({ x: new ort.Tensor('float32', Float32Array.of(1, 2), [2]) }, { status: null, y: written });
  await expect(run).rejects.toThrow('Non tensor type is temporarily not supported.');
  expect(written.data).toEqual(Float32Array.of(2, 3));
  await session.release();
});
