import {
  cast,
  encodeModel,
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
import type { FlatLayout } from '../flatLayout.ts';

/** The toy's images: [N, 1, 4, 4], with an id for each of the 16 pixels. */
export const TOY_IMAGE_SHAPE = [1, 4, 4] as const;
export const TOY_PATCHES = 16;

/** A two-layer autoencoder with sizes that are no multiple of 4: weights [hidden,16] and [16,hidden], biases [hidden] and [16]. */
export function toyLayout(hidden = 5): FlatLayout {
  const shapes = { 'encoder.weight': [hidden, 16], 'encoder.bias': [hidden], 'decoder.weight': [16, hidden], 'decoder.bias': [16] };
  let length = 0;
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const size = shape.reduce((product, dim) => product * dim, 1);
    const offset = length;
    length += Math.ceil(size / 16) * 16;
    return { name, shape, decay: shape.length > 1, offset, size };
  });
  return { tensors, length };
}

/** The reconstruction error of each pixel, weighted by its id. */
function toyGraph(layout: FlatLayout) {
  const graph = new Graph('toy');
  const parameters = layout.tensors.map(({ name, shape }) => graph.input(name, 'float32', shape));
  const [w1, b1, w2, b2] = parameters as [Tensor, Tensor, Tensor, Tensor];
  const x = reshape(graph.input('images', 'float32', ['N', ...TOY_IMAGE_SHAPE]), ['N', 16]);
  const ids = cast(graph.input('ids_shuffle', 'int64', ['N', TOY_PATCHES]), 'float32');
  const features = tanh(linear(x, w1, b1));
  const prediction = linear(features, w2, b2);
  const difference = sub(prediction, x);
  return { graph, parameters, prediction, features, ids, errors: mul(mul(difference, difference), ids) };
}

/** The toy with the inputs and outputs of a training model. Without `sequence` it has no output that allows writing in place. */
export function toyTrainingModel(layout: FlatLayout, { sequence = true }: { readonly sequence?: boolean } = {}): Uint8Array {
  const { graph, parameters, errors } = toyGraph(layout);
  const loss = mul(mul(graph.input('grad_scale', 'float32', []), 0.5), reduceSum(reduceSum(errors, { axes: [1] })));
  const gradients = grad(loss, parameters);
  if (sequence) graph.output('status', sequenceConstruct([loss]));
  graph.output('loss', loss);
  layout.tensors.forEach(({ name }, i) => {
    graph.output(`grad.${name}`, gradients[i]!);
  });
  return encodeModel(graph);
}

/** The toy with the inputs and outputs of an eval model, less the output `without`. */
export function toyEvalModel(layout: FlatLayout, { without }: { readonly without?: string } = {}): Uint8Array {
  const { graph, prediction, features, ids, errors } = toyGraph(layout);
  const outputs = { loss: reduceMean(errors, { axes: [1] }), prediction: reshape(prediction, ['N', 16, 1]), mask: ids, features };
  for (const [name, value] of Object.entries(outputs)) if (name !== without) graph.output(name, value);
  return encodeModel(graph);
}

/** A micro batch that depends on nothing but `seed`. */
export function toyBatch(count: number, seed: number) {
  const images = new Float32Array(new SharedArrayBuffer(4 * count * 16)).map((_, i) => Math.sin(i * 0.7 + seed));
  const idsShuffle = new BigInt64Array(new SharedArrayBuffer(8 * count * 16));
  idsShuffle.forEach((_, i) => {
    idsShuffle[i] = BigInt((i * 7 + seed) % 16);
  });
  return { images, idsShuffle, count, gradScale: 0.01 };
}

/** Flat parameters with zero padding. */
export function toyParameters(layout: FlatLayout): Float32Array {
  const flat = new Float32Array(layout.length);
  for (const { offset, size } of layout.tensors) for (let i = 0; i < size; i++) flat[offset + i] = Math.cos(3 * i + offset) * 0.4;
  return flat;
}
