import { describe, expect, test } from '@jest/globals';
import * as nn from '../index.ts';
import { type CaseInput, concreteShape, gradientError, type OpCase, runCase, samples } from '../testing/opCase.ts';

const input = (dims: nn.Dims, seed: number): CaseInput => ({
  dims,
  values: samples(
    concreteShape(dims).reduce((product, size) => product * size, 1),
    { seed },
  ),
});

/** A composite beside the same function of plain ops, which the op table differentiates by itself. */
interface Twins extends Pick<OpCase, 'inputs' | 'dims' | 'precision'> {
  readonly composite: OpCase['build'];
  readonly plain: OpCase['build'];
}

const linearInputs = { x: input(['N', 3], 1), weight: input([4, 3], 2), bias: input([4], 3) };
const mlpInputs = { x: input(['N', 3], 1), w1: input([6, 3], 2), b1: input([6], 3), w2: input([2, 6], 4), b2: input([2], 5) };
const heads = { q: input(['N', 2, 3, 4], 1), k: input(['N', 2, 3, 4], 2), v: input(['N', 2, 3, 4], 3) };

const plainGelu = (x: nn.Tensor) => nn.mul(nn.mul(x, 0.5), nn.add(nn.erf(nn.div(x, Math.SQRT2)), 1));

const twins: Readonly<Record<string, Twins>> = {
  linear: {
    inputs: linearInputs,
    dims: ['N', 4],
    composite: (x, weight, bias) => nn.linear(x!, weight!, bias),
    plain: (x, weight, bias) => nn.add(nn.matMul(x!, nn.transpose(weight!, [1, 0])), bias!),
  },
  'linear with scales': {
    inputs: linearInputs,
    dims: ['N', 4],
    composite: (x, weight, bias) => nn.linear(x!, weight!, bias, { alpha: 0.5, beta: 2 }),
    plain: (x, weight, bias) => nn.add(nn.mul(nn.matMul(x!, nn.transpose(weight!, [1, 0])), 0.5), nn.mul(bias!, 2)),
  },
  'linear with a transposed copy for its weight gradient': {
    inputs: linearInputs,
    dims: ['N', 4],
    composite: (x, weight, bias) => nn.linear(x!, weight!, bias, { alpha: 0.5, weightGradient: 'transposed' }),
    plain: (x, weight, bias) => nn.add(nn.mul(nn.matMul(x!, nn.transpose(weight!, [1, 0])), 0.5), bias!),
  },
  'linear without bias over more axes': {
    inputs: { x: input(['N', 'L', 3], 1), weight: input([4, 3], 2) },
    dims: ['N', 'L', 4],
    composite: (x, weight) => nn.linear(x!, weight!),
    plain: (x, weight) => nn.matMul(x!, nn.transpose(weight!, [1, 0])),
  },
  layerNorm: {
    inputs: { x: input(['N', 3, 4], 1), gain: input([4], 2), bias: input([4], 3) },
    dims: ['N', 3, 4],
    composite: (x, gain, bias) => nn.layerNorm(x!, gain!, bias!, { epsilon: 1e-3 }),
    plain: (x, gain, bias) => {
      const centred = nn.sub(x!, nn.reduceMean(x!, { axes: [-1], keepDims: true }));
      const variance = nn.reduceMean(nn.pow(centred, 2), { axes: [-1], keepDims: true });
      return nn.add(nn.mul(nn.div(centred, nn.sqrt(nn.add(variance, 1e-3))), gain!), bias!);
    },
  },
  attention: {
    inputs: heads,
    dims: ['N', 2, 3, 4],
    composite: (q, k, v) => nn.attention(q!, k!, v!),
    plain: (q, k, v) => nn.matMul(nn.softmax(nn.div(nn.matMul(q!, nn.swapLastAxes(k!)), 2)), v!),
  },
  'attention with a scale of its own': {
    inputs: heads,
    dims: ['N', 2, 3, 4],
    composite: (q, k, v) => nn.attention(q!, k!, v!, { scale: 0.3 }),
    plain: (q, k, v) => nn.matMul(nn.softmax(nn.mul(nn.matMul(q!, nn.swapLastAxes(k!)), 0.3)), v!),
  },
  square: {
    inputs: { x: input(['N', 3], 1) },
    dims: ['N', 3],
    composite: (x) => nn.square(x!),
    plain: (x) => nn.pow(x!, 2),
  },
  gelu: {
    inputs: { x: input(['N', 3], 1) },
    dims: ['N', 3],
    composite: (x) => nn.gelu(x!),
    plain: (x) => plainGelu(x!),
    precision: 'float32',
  },
  mlp: {
    inputs: mlpInputs,
    dims: ['N', 2],
    composite: (x, w1, b1, w2, b2) => nn.mlp(x!, { fc1Weight: w1!, fc1Bias: b1!, fc2Weight: w2!, fc2Bias: b2! }),
    plain: (x, w1, b1, w2, b2) => nn.linear(plainGelu(nn.linear(x!, w1!, b1)), w2!, b2),
    precision: 'float32',
  },
  'mlp with transposed copies': {
    inputs: mlpInputs,
    dims: ['N', 2],
    composite: (x, w1, b1, w2, b2) =>
      nn.mlp(x!, { fc1Weight: w1!, fc1Bias: b1!, fc2Weight: w2!, fc2Bias: b2! }, { weightGradient: 'transposed' }),
    plain: (x, w1, b1, w2, b2) => nn.linear(plainGelu(nn.linear(x!, w1!, b1)), w2!, b2),
    precision: 'float32',
  },
  permuteRows: {
    inputs: {
      x: input(['N', 'L', 2], 1),
      ids: { dims: ['N', 'L'], dtype: 'int64', values: [2, 0, 1, 0, 2, 1] },
      inverse: { dims: ['N', 'L'], dtype: 'int64', values: [1, 2, 0, 0, 2, 1] },
    },
    dims: ['N', 'L', 2],
    composite: (x, ids, inverse) => nn.permuteRows(x!, ids!, inverse!),
    // The permutation as a product with its one-hot matrix [N, L, L].
    plain: (x, ids) => nn.matMul(nn.cast(nn.equal(nn.unsqueeze(ids!, [-1]), nn.range(ids!.graph, 'L')), x!.dtype), x!),
  },
};

describe.each(Object.entries(twins))('%s', (_, { inputs, dims, composite, plain, precision = 'float64' }) => {
  const opCase = (build: OpCase['build']): OpCase => ({ inputs, build, dims, values: [], precision });

  test('computes what plain ops compute', async () => {
    const [fused, reference] = [await runCase(opCase(composite)), await runCase(opCase(plain))];
    expect(fused.inferred.dims).toEqual(dims);
    const errors = fused.computed.values.map((value, at) => Math.abs(value - reference.computed.values[at]!));
    expect(Math.max(...errors)).toBeLessThan(precision === 'float64' ? 1e-13 : 1e-6);
  });

  test('has the gradient of central differences', async () => {
    expect(await gradientError(opCase(composite))).toBeLessThan(precision === 'float64' ? 1e-8 : 2e-3);
  });

  test('has the gradient that the op table gives for plain ops', async () => {
    const gradients = async (build: OpCase['build']) => {
      const names = Object.keys(inputs).filter((name) => inputs[name]!.dtype === undefined);
      const values: number[] = [];
      for (const name of names) {
        const gradientOf: OpCase['build'] = (...tensors) => {
          const y = build(...tensors);
          return nn.grad(nn.reduceSum(nn.mul(y, nn.exp(y))), [tensors[Object.keys(inputs).indexOf(name)]!])[0]!;
        };
        values.push(...(await runCase(opCase(gradientOf))).computed.values);
      }
      return values;
    };
    const [found, expected] = [await gradients(composite), await gradients(plain)];
    const scale = Math.max(...expected.map(Math.abs));
    expect(Math.max(...found.map((value, at) => Math.abs(value - expected[at]!))) / scale).toBeLessThan(
      precision === 'float64' ? 1e-12 : 2e-6,
    );
  });
});
