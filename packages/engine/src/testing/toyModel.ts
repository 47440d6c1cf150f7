import {
  add,
  cast,
  encodeModel,
  encodeStages,
  Graph,
  grad,
  linear,
  mul,
  reduceMean,
  reduceSum,
  reshape,
  sequenceConstruct,
  sub,
  type Tensor,
  tanh,
} from '@maestro/graph';
import type { BatchInput } from '@maestro/protocol';
import { type FlatLayout, flatLayout, type ParameterGroup, type ParameterLayout, parameterSpec } from '@maestro/tensors';
import type { TrainingStage } from '../trainer/trainerMessages.ts';

/** The toy's images, with a weight for each of the 16 pixels. */
export const TOY_INPUTS = [
  { name: 'images', dtype: 'float32', shape: [1, 4, 4] },
  { name: 'weights', dtype: 'int64', shape: [16] },
] as const satisfies readonly BatchInput[];

/** A two-layer autoencoder with sizes that are no multiple of 4: weights [hidden,16] and [16,hidden], biases [hidden] and [16]. */
export function toyLayout(hidden = 5, groupOf: (name: string) => ParameterGroup = () => ({})): ParameterLayout {
  const shapes = { 'encoder.weight': [hidden, 16], 'encoder.bias': [hidden], 'decoder.weight': [16, hidden], 'decoder.bias': [16] };
  return flatLayout(Object.entries(shapes).map(([name, shape]) => parameterSpec(name, shape, groupOf(name))));
}

/** The reconstruction error of each pixel, weighted. */
function toyGraph(layout: FlatLayout) {
  const graph = new Graph('toy');
  const tensors = [...layout.tensors].sort((a, b) => a.index - b.index);
  const parameters = tensors.map(({ name, shape }) => graph.input(name, 'float32', shape));
  const [w1, b1, w2, b2] = parameters as [Tensor, Tensor, Tensor, Tensor];
  const x = reshape(graph.input('images', 'float32', ['N', ...TOY_INPUTS[0].shape]), ['N', 16]);
  const weights = cast(graph.input('weights', 'int64', ['N', 16]), 'float32');
  const features = tanh(linear(x, w1, b1));
  const prediction = linear(features, w2, b2);
  const difference = sub(prediction, x);
  return { graph, tensors, parameters, prediction, features, weights, errors: mul(mul(difference, difference), weights) };
}

/** The toy with the inputs and outputs of a training model. Without `sequence` it has no output that allows writing in place. */
export function toyTrainingModel(layout: FlatLayout, options: { readonly sequence?: boolean } = {}): Uint8Array {
  return encodeModel(toyTrainingGraph(layout, options));
}

/** The same in two stages: the decoder, and a part of whose weight is complete only with the second, the encoder. */
export function toyStages(layout: FlatLayout): readonly TrainingStage[] {
  const isDecoder = (name: string): boolean => name.startsWith('decoder');
  const names = layout.tensors.map(({ name }) => name);
  const gradients = (isOf: (name: string) => boolean) => names.filter(isOf).map((name) => `grad.${name}`);
  const outputs = [['loss', ...gradients(isDecoder)], gradients((name) => !isDecoder(name))];
  const [decoder, encoder] = encodeStages(toyTrainingGraph(layout), outputs);
  const first = layout.tensors.find(({ name }) => name === 'decoder.weight')!.offset + 16;
  return [
    { model: decoder, range: { first, length: layout.length - first } },
    { model: encoder, range: { first: 0, length: first } },
  ];
}

function toyTrainingGraph(layout: FlatLayout, { sequence = true }: { readonly sequence?: boolean } = {}): Graph {
  const { graph, tensors, parameters, errors } = toyGraph(layout);
  const loss = mul(mul(graph.input('grad_scale', 'float32', []), 0.5), reduceSum(reduceSum(errors, { axes: [1] })));
  const gradients = grad(loss, parameters);
  if (sequence) graph.output('status', sequenceConstruct([loss]));
  graph.output('loss', loss);
  for (const [i, { name, trainable }] of tensors.entries()) if (trainable) graph.output(`grad.${name}`, gradients[i]!);
  return graph;
}

/** The toy with the inputs and outputs of an eval model, less the output `without`. */
export function toyEvalModel(layout: FlatLayout, { without }: { readonly without?: string } = {}): Uint8Array {
  const { graph, prediction, features, weights, errors } = toyGraph(layout);
  const outputs = { loss: reduceMean(errors, { axes: [1] }), prediction: reshape(prediction, ['N', 16, 1]), mask: weights, features };
  for (const [name, value] of Object.entries(outputs)) if (name !== without) graph.output(name, value);
  return encodeModel(graph);
}

/** A micro batch that depends on nothing but `seed`. */
export function toyBatch(count: number, seed: number) {
  const images = new Float32Array(new SharedArrayBuffer(4 * count * 16)).map((_, i) => Math.sin(i * 0.7 + seed));
  const weights = new BigInt64Array(new SharedArrayBuffer(8 * count * 16));
  weights.forEach((_, i) => {
    weights[i] = BigInt((i * 7 + seed) % 16);
  });
  return { inputs: { images, weights }, count, gradScale: 0.01 };
}

/**
 * A model of one parameter [2] with an input of each element type, and a batch for it: the loss is gradScale x the sum over samples of
 * (the sum of the sample's values) x (the sum of the parameter), so that the gradient is gradScale x the sum of all values.
 */
export function everyDtype() {
  const inputs = [
    { name: 'draws', dtype: 'float32', shape: [] },
    { name: 'counts', dtype: 'int32', shape: [3] },
    { name: 'labels', dtype: 'int64', shape: [] },
    { name: 'pixels', dtype: 'uint8', shape: [1, 3] },
  ] as const satisfies readonly BatchInput[];
  const layout = flatLayout([parameterSpec('w', [2])]);
  const graph = new Graph('dtypes');
  const w = graph.input('w', 'float32', [2]);
  const sums = inputs.map(({ name, dtype, shape }) => reduceSum(cast(graph.input(name, dtype, ['N', ...shape]), 'float32')));
  const loss = mul(
    mul(
      sums.reduce((sum, each) => add(sum, each)),
      graph.input('grad_scale', 'float32', []),
    ),
    reduceSum(w),
  );
  graph.output('status', sequenceConstruct([loss]));
  graph.output('loss', loss);
  graph.output(
    'metric.sum',
    sums.reduce((sum, each) => add(sum, each)),
  );
  graph.output('metric.draws', sums[0]!);
  graph.output('grad.w', grad(loss, [w])[0]!);
  const batch = {
    inputs: {
      draws: Float32Array.of(0.5, 0.25),
      counts: Int32Array.of(1, 2, 3, -4, -5, 2 ** 20),
      labels: BigInt64Array.of(7n, -1n),
      pixels: Uint8Array.of(255, 0, 1, 2, 3, 4),
    },
    count: 2,
    gradScale: 0.5,
  };
  return { inputs, layout, trainingModel: encodeModel(graph), batch, sum: 0.75 - 3 + 2 ** 20 + 6 + 265 };
}

/** Flat parameters with zero padding. */
export function toyParameters(layout: FlatLayout): Float32Array {
  const flat = new Float32Array(layout.length);
  for (const { offset, size } of layout.tensors) for (let i = 0; i < size; i++) flat[offset + i] = Math.cos(3 * i + offset) * 0.4;
  return flat;
}
